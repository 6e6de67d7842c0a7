"""Data sets that are fetched, from a server that breaks off, lies or lacks them."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from click.testing import CliRunner
from data_files import idx_bytes, plan

from dlspec.cli.app import dlspec
from dlspec.data import DataProblem, load
from dlspec.data.downloads import ARCHIVES, Archive, fetched
from dlspec.ir.sources import Mnist

DATA = bytes(range(256)) * 9


class Server:
    """Files by path; `cut` bytes are sent of what is promised; `ranges` says if it knows them."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.cut: int | None = None
        self.ranges = True
        self.asked: list[str | None] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.answer(self)

            def log_message(self, *arguments: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = False  # they are joined when it closes
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        wanted = handler.headers.get("Range")
        self.asked.append(wanted)
        if handler.path not in self.files:
            handler.send_error(404)
            return
        data = self.files[handler.path]
        if wanted is not None and self.ranges:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            if start >= len(data):
                handler.send_error(416)
                return
            data = data[start:]
            handler.send_response(206)
        else:
            handler.send_response(200)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data[: self.cut])


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("DLSPEC_OFFLINE", "DLSPEC_MIRROR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    made = Server()
    thread = Thread(target=made.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    made.server.shutdown()
    thread.join()
    made.server.server_close()


def archive(server: Server, sum_of: bytes = DATA) -> tuple[Archive, ...]:
    return (Archive(f"{server.url}/a.gz", hashlib.sha256(sum_of).hexdigest()),)


def refused(server: Server, folder: Path, **given: bytes) -> DataProblem:
    with pytest.raises(DataProblem) as caught:
        fetched("things", folder, archive(server, **given))
    assert caught.value.exit_code == 3 and "a.gz" in f"{caught.value} {caught.value.help}"
    return caught.value


def test_a_file_is_fetched_once(server: Server, tmp_path: Path):
    server.files["/a.gz"] = DATA
    for _ in range(2):
        folder = fetched("things", tmp_path, archive(server))
        assert (folder / "a.gz").read_bytes() == DATA
    assert len(server.asked) == 1 and [p.name for p in folder.iterdir()] == ["a.gz"]


@pytest.mark.parametrize("ranges", [True, False])
def test_a_transfer_that_broke_off_goes_on(ranges: bool, server: Server, tmp_path: Path):
    server.files["/a.gz"] = DATA
    server.cut = 1000
    refused(server, tmp_path)
    assert not (tmp_path / "things" / "a.gz").exists()
    server.cut, server.ranges = None, ranges
    folder = fetched("things", tmp_path, archive(server))
    assert server.asked == [None, "bytes=1000-"] and (folder / "a.gz").read_bytes() == DATA


def test_a_file_that_was_whole_but_for_its_name_is_taken(server: Server, tmp_path: Path):
    server.files["/a.gz"] = DATA
    (tmp_path / "things").mkdir()
    (tmp_path / "things" / "a.gz.part").write_bytes(DATA)
    folder = fetched("things", tmp_path, archive(server))
    assert (folder / "a.gz").read_bytes() == DATA


def test_another_file_than_was_published_is_refused(server: Server, tmp_path: Path):
    server.files["/a.gz"] = DATA
    problem = refused(server, tmp_path, sum_of=b"other")
    assert "SHA-256" in problem.message and not list((tmp_path / "things").iterdir())


def test_what_is_not_there(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    problem = refused(server, tmp_path)
    assert "404" in problem.message and str(tmp_path / "things") in (problem.help or "")
    monkeypatch.setenv("DLSPEC_OFFLINE", "1")
    assert "DLSPEC_OFFLINE" in refused(server, tmp_path).message
    assert len(server.asked) == 1
    monkeypatch.delenv("DLSPEC_OFFLINE")
    monkeypatch.setenv("DLSPEC_MIRROR", "http://127.0.0.1:1")
    assert "cannot be read" in refused(server, tmp_path).message
    monkeypatch.setenv("DLSPEC_MIRROR", "file:///etc")
    assert "http" in refused(server, tmp_path).message


def test_more_than_a_file_may_have_is_not_taken(server: Server, tmp_path: Path):
    server.files["/a.gz"] = DATA
    short = (archive(server)[0]._replace(largest=100),)
    with pytest.raises(DataProblem, match="larger"):
        fetched("things", tmp_path, short)


def test_mnist_comes_from_a_mirror_into_the_caches(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    archives: list[Archive] = []
    for one in ARCHIVES["mnist"]:
        count = 6 if "train" in one.name else 2
        shape = (count, 28, 28) if "images" in one.name else (count,)
        data = gzip.compress(idx_bytes(np.ones(shape, np.uint8)))
        server.files[f"/mnist/{one.name}"] = data
        archives.append(one._replace(sha256=hashlib.sha256(data).hexdigest()))
    monkeypatch.setitem(ARCHIVES, "mnist", tuple(archives))
    monkeypatch.setenv("DLSPEC_MIRROR", server.url)
    monkeypatch.setenv("DLSPEC_CACHE", str(tmp_path / "caches"))
    data = load(plan(Mnist()), tmp_path)
    assert (len(data.train), len(data.test), len(server.asked)) == (6, 2, 4)
    assert len(load(plan(Mnist()), tmp_path, "mnist").train) == 6 and len(server.asked) == 4
    with pytest.raises(DataProblem) as caught:
        load(plan(Mnist()), tmp_path, f"mnist:{tmp_path / 'nowhere'}")
    assert "no such file or folder" in caught.value.message


def test_the_command_says_what_to_put_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DLSPEC_OFFLINE", "1")
    monkeypatch.setenv("DLSPEC_CACHE", str(tmp_path / "caches"))
    (tmp_path / "a.dlnet").write_text(
        "model M { input image: float[3, 32, 32]\n Flatten -> Dense(10) }\n"
        "data D { source = cifar10() }\n"
        "train M on D {\n loss = cross_entropy\n optimizer = sgd(lr=0.1)\n epochs = 1\n}\n"
    )
    out = str(tmp_path / "run")
    done = CliRunner().invoke(dlspec, ["train", str(tmp_path / "a.dlnet"), "--out", out])
    said = " ".join(done.output.split())
    assert done.exit_code == 3 and "cifar-10-binary.tar.gz" in said and "caches" in said
