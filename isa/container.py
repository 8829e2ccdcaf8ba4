"""Files of ours that hold a JSON header and bytes: one layout, one way to refuse what is damaged."""

from __future__ import annotations

import hashlib
import json
import os
import struct
import tempfile
from dataclasses import dataclass
from pathlib import Path

PREFIX = struct.Struct("<8sIIQ")
"""Magic, version of the file format, bytes of the JSON header, bytes of the payload."""
CHECKSUM_BYTES = hashlib.sha256().digest_size
_PIECE_BYTES = 1 << 24


@dataclass(frozen=True)
class Container:
    """A kind of file: prefix, header, payload, and the SHA-256 of all three.

    Attributes
    ----------
    magic:
        The first eight bytes.
    what:
        What messages call it: ``program file``.
    error:
        What is raised.
    max_header_bytes, max_payload_bytes:
        A file that claims more is refused before anything is allocated.
    """

    magic: bytes
    version: int
    what: str
    error: type[ValueError]
    max_header_bytes: int
    max_payload_bytes: int

    def pack(self, header: dict[str, object], *payload: bytes | memoryview) -> bytes:
        """The file's content. Raises `error` when it would be larger than what `unpack` reads."""
        text = json.dumps(header, sort_keys=True).encode()
        size = sum(len(piece) for piece in payload)
        for name, claimed, limit in self._limits(len(text), size):
            if claimed > limit:
                raise self.error(f"the {name} of a {self.what} has at most {limit} bytes, not {claimed}")
        prefix = PREFIX.pack(self.magic, self.version, len(text), size)
        digest = hashlib.sha256(prefix + text)
        for piece in payload:
            digest.update(piece)
        return b"".join([prefix, text, *payload, digest.digest()])

    def unpack(self, data: bytes, where: str) -> tuple[dict[str, object], memoryview]:
        """Header and payload of a file's content; `where` begins messages. Raises `error`, see the module."""
        header_bytes, size = self._sizes(data, where)
        if len(data) != size:
            what = "truncated" if len(data) < size else "too long"
            raise self.error(f"{where}: {what}: {len(data)} bytes, the header promises {size}")
        view = memoryview(data)
        if hashlib.sha256(view[:-CHECKSUM_BYTES]).digest() != data[-CHECKSUM_BYTES:]:
            raise self.error(f"{where}: damaged: the checksum does not match the content")
        begin = PREFIX.size + header_bytes
        try:
            header = json.loads(data[PREFIX.size : begin])
        except (ValueError, RecursionError) as error:
            raise self.error(f"{where}: the header is not JSON: {error}") from None
        if not isinstance(header, dict):
            raise self.error(f"{where}: the header is not a JSON object")
        return header, view[begin:-CHECKSUM_BYTES]

    def read(self, path: str | os.PathLike[str]) -> bytes:
        """A file's content, which `unpack` judges; no more of it is read than its prefix promises.

        Raises
        ------
        ValueError:
            As `error`: the file cannot be read, or is not of this kind.
        """
        try:
            with Path(path).open("rb") as file:
                data = bytearray(file.read(PREFIX.size))
                _, size = self._sizes(bytes(data), str(path))
                while len(data) <= size and (piece := file.read(min(_PIECE_BYTES, size + 1 - len(data)))):
                    data += piece
        except OSError as error:
            raise self.error(f"{path}: {error.strerror or error}") from None
        return bytes(data)

    def write(self, path: str | os.PathLike[str], content: bytes) -> None:
        """Write a file as `replace_file` does. Raises `error` when it cannot be written."""
        try:
            replace_file(path, content)
        except OSError as error:
            raise self.error(f"{path}: {error.strerror or error}") from None

    def _sizes(self, data: bytes, where: str) -> tuple[int, int]:
        """Bytes of the header and of the whole file, as the prefix says."""
        if data[: len(self.magic)] != self.magic[: len(data)] or not data:
            raise self.error(f"{where}: not a {self.what}: it begins with {data[:8]!r}, not {self.magic!r}")
        if len(data) < PREFIX.size:
            raise self.error(f"{where}: truncated: {len(data)} bytes, a {self.what} has at least {PREFIX.size}")
        _, version, header_bytes, payload_bytes = PREFIX.unpack_from(data)
        if version != self.version:
            raise self.error(f"{where}: file version {version} is unknown; this reads version {self.version}")
        for name, claimed, limit in self._limits(header_bytes, payload_bytes):
            if claimed > limit:
                raise self.error(f"{where}: the {name} claims {claimed} bytes; the limit is {limit}")
        return header_bytes, PREFIX.size + header_bytes + payload_bytes + CHECKSUM_BYTES

    def _limits(self, header_bytes: int, payload_bytes: int) -> list[tuple[str, int, int]]:
        return [
            ("header", header_bytes, self.max_header_bytes),
            ("payload", payload_bytes, self.max_payload_bytes),
        ]


def replace_file(path: str | os.PathLike[str], content: bytes) -> None:
    """Write `content` to `path`; a file that is there already is replaced as a whole or not at all.

    Raises
    ------
    OSError:
        The folder does not exist or refuses, `path` is a folder, or the disk is full. Nothing is left behind.
    """
    path = Path(path)
    if path.exists() and not path.is_file() and not path.is_dir():
        path.write_bytes(content)  # a device or a pipe must not become a file
        return
    handle, partial = tempfile.mkstemp(dir=path.parent, prefix=".partial-")
    try:
        with open(handle, "wb") as file:
            file.write(content)
        os.chmod(partial, 0o666 & ~_umask())
        os.replace(partial, path)
    except BaseException:
        os.unlink(partial)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
