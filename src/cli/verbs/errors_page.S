// The page of error ids, carried inside the program for `hanse explain`.
  .section .rodata
  .global hanse_errors_page
  .global hanse_errors_page_end
hanse_errors_page:
  .incbin "docs/reference/errors.md"
hanse_errors_page_end:
  .section .note.GNU-stack,"",@progbits
