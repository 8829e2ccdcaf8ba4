"""The board's end of the host link (`isa.link`), a unit a file: serial line, frames, requests, answers."""
