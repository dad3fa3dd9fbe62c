"""Who runs a book, who pays or is paid, and with what."""
