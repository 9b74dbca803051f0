"""Chromium driven by its own protocol over two pipes: a page opened from a file, what it says, what it asks for."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium") or ""


class Browser:
    """A browser without a window. `told` are the events of its pages, in order."""

    def __init__(self, send: int, receive: int) -> None:
        self._send, self._receive = send, receive
        self._kept, self._last, self._session, self._target = b"", 0, "", ""
        self.told: list[dict[str, Any]] = []

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol; return its result."""
        self._begin(method, parameters)
        while (answer := self._next()).get("id") != self._last:
            self.told.append(answer)
        assert "error" not in answer, answer
        result: dict[str, Any] = answer["result"]
        return result

    def open(self, what: Path | str, width: int = 1280, height: int = 900) -> None:
        """Open a file, or an address, in a page of its own instead of the one before, and return when it is loaded."""
        self._session, before = "", self._target
        self._target = self.call("Target.createTarget", url="about:blank")["targetId"]
        if before:
            self.call("Target.closeTarget", targetId=before)
        self._session = self.call("Target.attachToTarget", targetId=self._target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network", "Security"):
            self.call(f"{domain}.enable")
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 700}
        self.call("Emulation.setDeviceMetricsOverride", **metrics)
        self.told.clear()
        self.call("Page.navigate", url=what if isinstance(what, str) else what.as_uri())
        while not any(event.get("method") == "Page.loadEventFired" for event in self.told):
            self.told.append(self._next())

    def says(self, expression: str) -> Any:
        """Evaluate an expression in the page."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def click(self, selector: str, text: str | None = None) -> str:
        """Click an element with the mouse, and agree to the dialog that it opens, with `text`; return what is asked."""
        self.says(f"document.querySelector({json.dumps(selector)}).scrollIntoView({{block: 'center'}})")
        box = self.says(
            f"(({{x, y, width, height}}) => [x + width / 2, y + height / 2])"
            f"(document.querySelector({json.dumps(selector)}).getBoundingClientRect())"
        )
        where = {"x": box[0], "y": box[1], "button": "left", "clickCount": 1}
        self.call("Input.dispatchMouseEvent", type="mousePressed", **where)
        self._begin("Input.dispatchMouseEvent", {"type": "mouseReleased", **where})  # it waits for the dialog's end
        while (event := self._next()).get("method") != "Page.javascriptDialogOpening":
            self.told.append(event)
        self.call("Page.handleJavaScriptDialog", accept=True, **({} if text is None else {"promptText": text}))
        asked: str = event["params"]["message"]
        return asked

    def asked_for(self) -> list[str]:
        """List the addresses that the page asked for."""
        sent = [event["params"] for event in self.told if event.get("method") == "Network.requestWillBeSent"]
        return [each["request"]["url"] for each in sent]

    def complaints(self) -> list[str]:
        """List what is in the console, and what was thrown."""
        kinds = ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded")
        return [json.dumps(event["params"])[:500] for event in self.told if event.get("method") in kinds]

    def _begin(self, method: str, parameters: dict[str, Any]) -> None:
        """Call a method of the protocol, whose answer is to come."""
        self._last += 1
        message = {"id": self._last, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._send, json.dumps(message).encode() + b"\0")

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._kept:
            data = os.read(self._receive, 1 << 20)
            assert data, "the browser has ended"
            self._kept += data
        line, _, self._kept = self._kept.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        return message


@contextmanager
def browser(place: Path) -> Iterator[Browser]:
    """Start a browser that keeps what it keeps in `place`, and end it."""
    ours_in, theirs_out = os.pipe()
    theirs_in, ours_out = os.pipe()
    own = ["--no-sandbox"] if os.getuid() == 0 else []
    quiet = ["--no-first-run", "--disable-gpu", "--disable-background-networking", "--disable-dev-shm-usage"]
    argv = [CHROMIUM, "--headless", "--remote-debugging-pipe", f"--user-data-dir={place}", *own, *quiet, "about:blank"]
    # It reads from descriptor 3 and writes to 4.
    shell = f'exec 3<&{theirs_in} 4>&{theirs_out}; exec "$@"'
    argv = ["bash", "-c", shell, "bash", *argv]
    started = subprocess.Popen(
        argv, pass_fds=(theirs_in, theirs_out), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    os.close(theirs_in)
    os.close(theirs_out)
    try:
        yield Browser(ours_out, ours_in)
    finally:
        os.close(ours_out)
        os.close(ours_in)
        started.terminate()
        started.wait(20)
