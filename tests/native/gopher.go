// Go: goroutines on threads of its runtime's own, which never pass the C library.
package main

import "C"
import (
	"fmt"
	"os"
)

//export say_go
func say_go(count int64) {
	done := make(chan bool)
	go func() {
		for i := int64(0); i < count; i++ {
			fmt.Println("go", i)
		}
		done <- true
	}()
	<-done
	go func() {
		for i := int64(0); i < count; i++ {
			fmt.Fprintln(os.Stderr, "go complains", i)
		}
		done <- true
	}()
	<-done
}

func main() {}
