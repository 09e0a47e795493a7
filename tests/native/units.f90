! Fortran's own units, which libgfortran buffers.
subroutine say_fortran(n) bind(c)
    use iso_c_binding, only: c_int
    integer(c_int), value :: n
    integer :: i
    do i = 1, n
        write (*, '(a, i0)') 'fortran ', i
    end do
end subroutine
