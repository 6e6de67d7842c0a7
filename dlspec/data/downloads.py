"""Data sets that are fetched where they are not at hand: checked by their SHA-256, taken up again
where a transfer broke off, and kept in the user's folder for caches.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import urllib.error
import urllib.request
from pathlib import Path
from typing import BinaryIO, NamedTuple

from dlspec.data.problem import ENVIRONMENT, DataProblem

MIRROR_VARIABLE = "DLSPEC_MIRROR"
"""The environment variable that names a place from where everything is fetched:
`$DLSPEC_MIRROR/mnist/train-images-idx3-ubyte.gz`."""
OFFLINE_VARIABLE = "DLSPEC_OFFLINE"
"""Where this environment variable is set, nothing is fetched."""
_CHUNK = 1 << 20
_SECONDS = 30


class Archive(NamedTuple):
    """A file of a data set: where it is published, its SHA-256, and its size at most."""

    url: str
    sha256: str
    largest: int = 2**28

    @property
    def name(self) -> str:
        return self.url.rpartition("/")[2]


_MNIST = "https://storage.googleapis.com/cvdf-datasets/mnist/"
_FASHION = "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/"
_CIFAR = "https://www.cs.toronto.edu/~kriz/"
ARCHIVES: dict[str, tuple[Archive, ...]] = {
    "mnist": (
        Archive(
            f"{_MNIST}train-images-idx3-ubyte.gz",
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        ),
        Archive(
            f"{_MNIST}train-labels-idx1-ubyte.gz",
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        ),
        Archive(
            f"{_MNIST}t10k-images-idx3-ubyte.gz",
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        ),
        Archive(
            f"{_MNIST}t10k-labels-idx1-ubyte.gz",
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        ),
    ),
    "fashion_mnist": (
        Archive(
            f"{_FASHION}train-images-idx3-ubyte.gz",
            "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        ),
        Archive(
            f"{_FASHION}train-labels-idx1-ubyte.gz",
            "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        ),
        Archive(
            f"{_FASHION}t10k-images-idx3-ubyte.gz",
            "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        ),
        Archive(
            f"{_FASHION}t10k-labels-idx1-ubyte.gz",
            "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        ),
    ),
    "cifar10": (
        Archive(
            f"{_CIFAR}cifar-10-binary.tar.gz",
            "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
        ),
    ),
    "cifar100": (
        Archive(
            f"{_CIFAR}cifar-100-binary.tar.gz",
            "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
        ),
    ),
}


def fetched(name: str, caches: Path, archives: tuple[Archive, ...] | None = None) -> Path:
    """The folder below `caches` that holds the files of a data set, fetched where they are not.

    name: a key of `ARCHIVES`; archives: others in their stead.
    Raises DataProblem where one cannot be fetched, or is not what was published.
    """
    folder = caches / name
    for archive in archives or ARCHIVES[name]:
        path = folder / archive.name
        if path.is_file():
            continue
        if os.environ.get(OFFLINE_VARIABLE):
            raise _absent(name, archive, folder, f"`{OFFLINE_VARIABLE}` is set")
        mirror = os.environ.get(MIRROR_VARIABLE)
        url = f"{mirror.rstrip('/')}/{name}/{archive.name}" if mirror else archive.url
        folder.mkdir(parents=True, exist_ok=True)
        try:
            _fetch(url, archive, path)
        except urllib.error.HTTPError as error:
            error.close()
            why = f"{url} answers {error.code} {error.reason}"
            raise _absent(name, archive, folder, why) from error
        except (urllib.error.URLError, http.client.HTTPException, OSError, ValueError) as error:
            if isinstance(error, OSError) and error.filename is not None:
                raise  # the disk's, which says itself what is wrong
            reason = getattr(error, "reason", None) or error or type(error).__name__
            raise _absent(name, archive, folder, f"{url} cannot be read: {reason}") from error
    return folder


def _absent(name: str, archive: Archive, folder: Path, why: str) -> DataProblem:
    return DataProblem(
        f"`{name}` is neither at its path nor could it be fetched: {why}",
        exit_code=ENVIRONMENT,
        help=f"put {archive.name} from {archive.url} into {folder}; or `--data {name}:FOLDER`"
        " points to where it is",
    )


def _fetch(url: str, archive: Archive, path: Path) -> None:
    """Fetch a file, going on where an earlier transfer broke off, and give it its name.

    Raises what urllib raises, and DataProblem where it is not what was published.
    """
    if not url.startswith(("https://", "http://")):
        raise ValueError("only http and https are spoken")
    part = path.with_name(f"{path.name}.part")
    have = part.stat().st_size if part.is_file() else 0
    with part.open("ab") as file:
        _receive(url, archive, file, have)
        file.flush()
        os.fsync(file.fileno())
    digest = hashlib.sha256()
    with part.open("rb") as file:
        while piece := file.read(_CHUNK):
            digest.update(piece)
    if digest.hexdigest() != archive.sha256:
        part.unlink()
        raise DataProblem(
            f"{url} is not the file that was published: its SHA-256 is {digest.hexdigest()},"
            f" and should be {archive.sha256}",
            exit_code=ENVIRONMENT,
            help="try again; where it stays so, fetch the file elsewhere and put it into"
            f" {path.parent}",
        )
    part.replace(path)


def _receive(url: str, archive: Archive, part: BinaryIO, have: int) -> None:
    """Write to the end of `part` what it lacks; from the beginning where the server says so."""
    headers = {"User-Agent": "dlspec", **({"Range": f"bytes={have}-"} if have else {})}
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 - checked by the caller
    try:
        response = urllib.request.urlopen(request, timeout=_SECONDS)  # noqa: S310
    except urllib.error.HTTPError as error:
        if error.code == 416 and have:  # it has all that there is
            error.close()
            return
        raise
    with response:
        if response.status != 206:
            part.truncate(0)
            have = 0
        promised = response.headers.get("Content-Length")
        got = 0
        while piece := response.read(_CHUNK):
            got += len(piece)
            if have + got > archive.largest:
                raise ValueError(f"it is larger than {archive.largest >> 20} MiB")
            part.write(piece)
        if promised is not None and got < int(promised):
            raise ValueError(f"the transfer broke off after {have + got:,} bytes; run it again")
