// Rust's own line buffer, from a thread of Rust's.
#[no_mangle]
pub extern "C" fn say_rust(count: i64) {
    std::thread::spawn(move || {
        for i in 0..count {
            println!("rust {i}");
        }
        for i in 0..count {
            eprintln!("rust complains {i}");
        }
    })
    .join()
    .unwrap();
}
