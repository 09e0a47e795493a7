! Fortran's own units, which libgfortran buffers.
subroutine say_fortran(n) bind(c)
    use iso_c_binding, only: c_int
    integer(c_int), value :: n
    integer :: i
    do i = 1, n
        write (*, '(a, i0)') 'fortran ', i
    end do
end subroutine

subroutine complain_fortran() bind(c)
    write (0, '(a)') 'fortran complains'
end subroutine

! The unit is locked for as long as the function takes.
subroutine say_slowly(slow) bind(c)
    use iso_c_binding, only: c_funptr, c_int, c_f_procpointer
    type(c_funptr), value :: slow
    interface
        function answer() bind(c)
            import :: c_int
            integer(c_int) :: answer
        end function
    end interface
    procedure(answer), pointer :: ask
    call c_f_procpointer(slow, ask)
    write (*, '(a, i0)') 'slow ', ask()
end subroutine
