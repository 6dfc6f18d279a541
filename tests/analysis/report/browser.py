"""A headless Chromium, driven over its DevTools protocol: one page, its network, its console."""

import base64
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import websocket

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
NO_CHROMIUM = "needs Chromium: apt-get install chromium"
_FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--remote-debugging-port=0", "--hide-scrollbars"),
)
_PATIENCE_S = 60.0
_COMPLAINTS = ("Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled")


class Page:
    """The browser's page; `asked` has the addresses of all requests, `complaints` the console."""

    def __init__(self, socket: websocket.WebSocket) -> None:
        self._socket = socket
        self._number = 0
        self.asked: list[str] = []
        self.complaints: list[str] = []
        self._is_loaded = False
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> Any:
        """The result of one command; what happens meanwhile is kept."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        self._socket.send(json.dumps(message))
        while (answer := self._next()).get("id") != self._number:
            pass
        assert "error" not in answer, answer
        return answer["result"]

    def _next(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(self._socket.recv())
        method, parameters = message.get("method"), message.get("params", {})
        if method == "Network.requestWillBeSent":
            self.asked.append(parameters["request"]["url"])
        elif method in _COMPLAINTS:
            self.complaints.append(json.dumps(parameters))
        elif method == "Page.loadEventFired":
            self._is_loaded = True
        return message

    def open(self, file: Path, *, width: int = 1280, height: int = 900) -> float:
        """Show a file in a window of so many CSS pixels; returns the seconds until it is drawn."""
        is_phone = width < 600
        self.call(
            "Emulation.setDeviceMetricsOverride",
            **{"width": width, "height": height, "deviceScaleFactor": 1, "mobile": is_phone},
        )
        self._is_loaded = False
        started_s = time.perf_counter()
        self.call("Page.navigate", url=file.resolve().as_uri())
        while not self._is_loaded:
            self._next()
        # Two frames later what the scripts have drawn has been painted.
        self.value("new Promise(end => requestAnimationFrame(() => requestAnimationFrame(end)))")
        return time.perf_counter() - started_s

    def value(self, expression: str) -> Any:
        """What an expression of JavaScript, or the promise that it is, comes to."""
        done = self.call(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in done, done
        return done["result"].get("value")

    def press(self, key: str) -> None:
        """One key, by its name, as `Tab` or `Enter`."""
        codes = {"Tab": 9, "Enter": 13}
        text = {"text": "\r"} if key == "Enter" else {}
        for kind in ("keyDown", "keyUp"):
            self.call(
                "Input.dispatchKeyEvent",
                **{"type": kind, "key": key, "windowsVirtualKeyCode": codes[key]},
                **(text if kind == "keyDown" else {}),
            )

    def drag(self, start: tuple[float, float], stop: tuple[float, float]) -> None:
        """With the left button held from one place in the window to another."""
        for kind, place in (
            *(("mouseMoved", start), ("mousePressed", start)),
            *(("mouseMoved", stop), ("mouseReleased", stop)),
        ):
            self.call(
                "Input.dispatchMouseEvent",
                **{"type": kind, "x": place[0], "y": place[1], "button": "left"},
                **{"buttons": 1, "clickCount": 1},
            )

    def screenshot(self, file: Path) -> None:
        """The whole page as a PNG."""
        data = self.call("Page.captureScreenshot", captureBeyondViewport=True)["data"]
        file.write_bytes(base64.b64decode(data))


@contextmanager
def browser(profile: Path) -> Iterator[Page]:
    """A page of a browser that knows nothing of earlier ones; `profile`: an empty folder."""
    assert CHROMIUM is not None, NO_CHROMIUM
    command = [CHROMIUM, *_FLAGS, f"--user-data-dir={profile}", "about:blank"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            socket = websocket.create_connection(
                _address(profile), timeout=_PATIENCE_S, suppress_origin=True
            )
            try:
                yield Page(socket)
            finally:
                socket.close()
        finally:
            process.terminate()


def _address(profile: Path) -> str:
    """Where the page listens, which the browser writes into its folder."""
    file = profile / "DevToolsActivePort"
    until_s = time.monotonic() + _PATIENCE_S
    while not (file.is_file() and file.read_text().count("\n")):
        assert time.monotonic() < until_s, "Chromium has not started"
        time.sleep(0.05)
    connection = HTTPConnection("127.0.0.1", int(file.read_text().split()[0]), timeout=_PATIENCE_S)
    try:
        connection.request("GET", "/json/list")
        targets = json.loads(connection.getresponse().read())
    finally:
        connection.close()
    address: str = next(one["webSocketDebuggerUrl"] for one in targets if one["type"] == "page")
    return address
