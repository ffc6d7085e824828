"""What is no table, by how it begins."""

from gatelab.errors import DataError

READ = "gatelab reads CSV, TSV, JSON, JSON Lines, Parquet, Arrow, .xlsx, fastText, and folders of one text a file"
BEGINNINGS = {
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"GIF8": "a GIF picture",
    b"RIFF": "a picture, sound or video",
    b"ID3": "a sound",
    b"\0\0\0\x18ftyp": "a video",
    b"\0\0\0\x20ftyp": "a video",
    b"%PDF": "a PDF document",
    b"{\\rtf": "an RTF document",
    b"\xd0\xcf\x11\xe0": "an old or encrypted Office document. Save it as .xlsx or CSV",
    b"\x7fELF": "a program",
    b"MZ\x90": "a program",
    b"SQLite format 3": "an SQLite database. Export the table as CSV",
    b"\x89HDF": "an HDF5 file",
    b"\x93NUMPY": "a NumPy array",
    b"Obj\x01": "an Avro file",
    b"ORC": "an ORC file",
    b"7z\xbc\xaf\x27\x1c": "a 7-Zip archive. Unpack it and give the file",
    b"Rar!": "a RAR archive. Unpack it and give the file",
    b"FEA1": "a Feather file of version 1. Save it as version 2",
    b"version https://git-lfs": "a Git LFS pointer to a file that was not fetched. Fetch it: git lfs pull",
    **{b"\x80" + bytes([protocol]): "a Python pickle, which could run code and is not opened" for protocol in (2, 3, 4, 5)},
}  # fmt: skip
TAR_MAGIC = slice(257, 262)


def refuse_other_kinds(where: str, head: bytes) -> None:
    """Raise DataError that says what a file is, by the first bytes of its content, unpacked."""
    what = next((what for beginning, what in BEGINNINGS.items() if head.startswith(beginning)), None)
    if head[TAR_MAGIC] == b"ustar":
        what = "a tar archive. Unpack it and give the file or folder"
    start = head[:500].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if start.startswith((b"<!doctype html", b"<html", b"<head")):
        what = "a web page. The download gave a page instead of the file: open it in a browser to see why"
    elif start.startswith(b"<?xml"):
        what = "an XML file"
    if what:
        raise DataError(f"{where}: is no table but {what}. {READ}.")
