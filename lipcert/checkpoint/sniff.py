"""What a file is, from its first bytes and, for a zip, the names inside. Suffixes are not looked at."""

import zipfile
from enum import StrEnum
from pathlib import Path

from lipcert.checkpoint import plain_json, protobuf, shards
from lipcert.errors import InputError

_HEAD = 512
_SAFETENSORS_HEADER_LIMIT = 100_000_000  # the format's own limit

# torch.save before 1.6 starts with the pickled number 0x1950a86a20f9469cfc6c.
_LEGACY_TORCH_MAGIC = b"\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."

READABLE = (
    "lipcert reads its own checkpoints, safetensors, files of torch.save, torch.export programs, ONNX, "
    "TorchScript, and folders of transformers."
)

_FOLDER = (
    "config.json",
    "adapter_config.json",
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
"""What transformers saves; a folder that holds one of these is read as such a folder."""

_FOREIGN: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\x89PNG\r\n\x1a\n", "a PNG picture"),
    (0, b"\xff\xd8\xff", "a JPEG picture"),
    (0, b"GIF8", "a GIF picture"),
    (0, b"BM", "a BMP picture"),
    (8, b"WEBP", "a WebP picture"),
    (0, b"%PDF", "a PDF document"),
    (0, b"\x89HDF\r\n\x1a\n", "an HDF5 file (Keras?)"),
    (0, b"\x93NUMPY", "a NumPy array"),
    (0, b"GGUF", "a GGUF file: quantised weights have no rule here"),
    (4, b"TFL3", "a TensorFlow Lite model"),
    (257, b"ustar", "a tar archive"),
    (0, b"\x1f\x8b", "gzip-compressed: unpack it first"),
    (0, b"\xfd7zXZ\x00", "xz-compressed: unpack it first"),
    (0, b"BZh", "bzip2-compressed: unpack it first"),
    (0, b"\x28\xb5\x2f\xfd", "zstd-compressed: unpack it first"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive: unpack it first"),
    (0, b"\x7fELF", "a compiled program"),
    (0, b"version https://git-lfs", "a Git LFS pointer: run `git lfs pull` to fetch the file itself"),
    (0, b"<", "HTML or XML: was a web page downloaded in place of the file?"),
    (0, b"{", "JSON text, and no index of a sharded checkpoint"),
)


class Format(StrEnum):
    """The formats that can be read, by the name a Provenance gives them."""

    HUGGINGFACE = "transformers"
    SAFETENSORS = "safetensors"
    SHARDS = "safetensors in shards"
    TORCH_ZIP = "torch.save"
    TORCH_LEGACY = "torch.save before 1.6"
    EXPORT = "torch.export"
    EXPORT_LEGACY = "torch.export before 2.8"
    ONNX = "ONNX"
    TORCHSCRIPT = "TorchScript"


def sniff(path: Path) -> Format:
    """The format of the file or folder at `path`. Raises InputError that says what it is when it is no format."""
    if any((path / name).is_file() for name in _FOLDER):
        return Format.HUGGINGFACE
    size = _size(path)
    with path.open("rb") as file:
        head = file.read(_HEAD)
    # First, because the length that safetensors begins with may begin as a pickle does; no pickle or zip has its zeros.
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= _SAFETENSORS_HEADER_LIMIT:
        return _sniff_safetensors(path, int.from_bytes(head[:8], "little"), size)
    if head[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        return _sniff_zip(path)
    if head[:1] == b"\x80":
        return _sniff_pickle(path, head)
    if head.lstrip()[:1] == b"{" and shards.MAP in plain_json.table(path):
        return Format.SHARDS
    if protobuf.is_onnx(path, size):
        return Format.ONNX
    raise _refusal(path, _foreign(head))


def _size(path: Path) -> int:
    if not path.exists():
        raise InputError(f"{path} does not exist", hint=_siblings(path))
    if path.is_dir():
        raise InputError(f"{path} is a directory, and a checkpoint file is needed", hint=_inside(path))
    if not path.is_file():
        raise InputError(f"{path} is not a regular file")
    try:
        size = path.stat().st_size
        path.open("rb").close()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    if size == 0:
        raise InputError(f"{path} is empty", hint="The download or the save that made it did not finish.")
    return size


def _siblings(path: Path) -> str:
    from difflib import get_close_matches

    names = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
    near = get_close_matches(path.name, names, n=1)
    return f"There is {path.parent / near[0]}." if near else ""


def _inside(path: Path) -> str:
    files = sorted(entry.name for entry in path.iterdir() if entry.is_file())[:5]
    return f"It holds {', '.join(files)}: name one of them." if files else "It holds no files."


def _sniff_zip(path: Path) -> Format:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            root = names[0].split("/")[0] if names else ""
            if f"{root}/archive_format" in names:
                return Format.EXPORT
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, UnicodeError) as error:
        raise InputError(
            f"{path} begins as a zip archive, as torch.save writes, but cannot be read to its end: {error}",
            hint="It is truncated or damaged: copy or download it again.",
        ) from error
    if "serialized_exported_program.json" in names:
        return Format.EXPORT_LEGACY
    if f"{root}/constants.pkl" in names or any(name.startswith(f"{root}/code/") for name in names):
        return Format.TORCHSCRIPT
    if f"{root}/data.pkl" in names:
        return Format.TORCH_ZIP
    raise _refusal(path, f"a zip archive of {', '.join(names[:4]) or 'nothing'}: no checkpoint that is known here")


def _sniff_pickle(path: Path, head: bytes) -> Format:
    if head[2:].startswith(_LEGACY_TORCH_MAGIC):
        return Format.TORCH_LEGACY
    raise InputError(
        f"{path} is a pickle that torch.save did not write, and reading it would run code from the file",
        hint=f"{READABLE} Where you trust it, load it and save its weights with torch.save.",
    )


def _sniff_safetensors(path: Path, header: int, size: int) -> Format:
    if 8 + header > size:
        raise InputError(
            f"{path} begins as safetensors with a header of {header:,} bytes, but has {size:,} bytes in all",
            hint="It is truncated: copy or download it again.",
        )
    return Format.SAFETENSORS


def _foreign(head: bytes) -> str:
    text = head.lstrip()
    for offset, magic, name in _FOREIGN:
        if head[offset:].startswith(magic) or (offset == 0 and text.startswith(magic)):
            return name
    if all(32 <= byte < 127 or byte in b"\t\n\r" for byte in head):
        return "text"
    return f"of an unknown kind (it begins with {head[:8].hex(' ')})"


def _refusal(path: Path, what: str) -> InputError:
    return InputError(f"{path} is {what}", hint=READABLE)
