"""Objects are loaded into any process, and code and constants find each other there."""

import subprocess
import sys

IN_PIECES = """
import ctypes, mmap
from dovetail.isa.native import objects

table = ", ".join(f"double {k}.5" for k in range(64))
code = objects.assemble("test", f'''
@table = internal constant [64 x double] [{table}]
define double @entry(i64 %k) {{
  %place = getelementptr [64 x double], ptr @table, i64 0, i64 %k
  %value = load double, ptr %place
  %twice = fmul double %value, 2.5
  ret double %twice
}}
''')
large = mmap.mmap(-1, 3 << 30)
kept = []
for count in range(10, 80, 3):
    pages = [mmap.mmap(-1, mmap.PAGESIZE) for _ in range(count)]
    for page in pages[::2]:
        page.close()
    loaded = [objects.load([code]) for _ in range(40)]
    kept += [*pages, *loaded]
    for one in loaded:
        entry = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_int64)(one.address_of("entry"))
        assert entry(count % 64) == (count % 64 + 0.5) * 2.5
"""


def test_in_a_process_whose_free_memory_is_in_pieces() -> None:
    """RuntimeDyld put code in one hole and its constants in another, on the other side of 3 GiB, and aborted."""
    done = subprocess.run([sys.executable, "-c", IN_PIECES], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
