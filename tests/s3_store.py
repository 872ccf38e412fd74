"""A real S3 server on loopback (moto) that can be told to fail, and how rclone reaches it."""

import os
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from moto.moto_api._internal.models import moto_api_backend
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

BUCKET = "archives"
DENIED = (
    b'<?xml version="1.0" encoding="UTF-8"?>'
    b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
)
Answer = Callable[..., Any]


class Store:
    """The server. `remote` is for ARCHIVE_REMOTE, `environ` is what rclone must know of it."""

    def __init__(self) -> None:
        self.denies = ""  # a method that is refused
        self.dies_after = 99  # uploads of archives, and then it is gone
        self.uploads = 0
        self._app = DomainDispatcherApplication(create_backend_app)
        self._server = make_server("127.0.0.1", 0, self._answer, threaded=True)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        address = f"http://127.0.0.1:{self._server.server_port}"
        self.remote = f"store:{BUCKET}/project"
        self.environ = {
            "ARCHIVE_REMOTE": self.remote,
            "RCLONE_CONFIG": os.devnull,
            "RCLONE_CONFIG_STORE_TYPE": "s3",
            "RCLONE_CONFIG_STORE_PROVIDER": "Other",
            "RCLONE_CONFIG_STORE_ENDPOINT": address,
            "RCLONE_CONFIG_STORE_ACCESS_KEY_ID": "test",
            "RCLONE_CONFIG_STORE_SECRET_ACCESS_KEY": "test",
            "RCLONE_CONFIG_STORE_REGION": "us-east-1",
            "AWS_CA_BUNDLE": "",  # rclone 1.60 cannot have one
            "RCLONE_RETRIES": "1",
            "RCLONE_LOW_LEVEL_RETRIES": "2",  # the second finds that nobody listens
            "RCLONE_TRANSFERS": "1",
        }

    def _answer(self, environ: dict[str, Any], start: Answer) -> Iterable[bytes]:
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        upload = method == "PUT" and path.endswith(".tar.gz")
        self.uploads += upload
        if self.uploads > self.dies_after:
            self.close()
            environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)  # else it is kept alive
            raise ConnectionResetError
        if method == self.denies:
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            start("403 Forbidden", [("Content-Type", "application/xml")])
            return [DENIED]
        found: Iterable[bytes] = self._app(environ, start)
        return found

    def close(self) -> None:
        """Stop; from now on connections are refused.

        Closing alone would not do: the thread that waits on the socket keeps it alive, and the
        system goes on taking connections that nobody answers.
        """
        with suppress(OSError):  # it was closed before
            self._server.socket.shutdown(socket.SHUT_RDWR)
        threading.Thread(target=self._server.shutdown, daemon=True).start()


@contextmanager
def s3_store(empty: bool = True) -> Iterator[Store]:
    """Yield a server, with what the last one had unless it is to be empty; stop it at the end."""
    store = Store()
    if empty:
        moto_api_backend.reset()
    try:
        yield store
    finally:
        store.close()
