! For f2py, whose functions hold Python's GIL.
subroutine say(n)
    integer, intent(in) :: n
    integer :: i
    do i = 1, n
        write (*, '(a, i0)') 'f2py ', i
    end do
end subroutine

subroutine complain()
    write (0, '(a)') 'f2py complains'
end subroutine
