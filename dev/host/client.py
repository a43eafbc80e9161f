"""The host's HTTP and websocket interface: queue a prompt, watch it run, fetch the results."""

import json
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import requests
import websocket

FINAL = ("execution_success", "execution_error", "execution_interrupted")
SECONDS_OF_SILENCE = 600  # a node can compute this long without sending a message


class InvalidPrompt(ValueError):
    """The server refused the prompt. The message lists the errors, `node_errors` has them by node."""

    def __init__(self, answer: dict):
        self.answer = answer
        self.node_errors = answer.get("node_errors") or {}
        super().__init__("\n".join(sentences(answer)))


class ExecutionFailed(RuntimeError):
    """A node raised an error. The message is the node's own, `data` is the whole event."""

    def __init__(self, data: dict):
        self.data = data
        super().__init__(f"{data.get('node_type')}: {data.get('exception_message', '').strip()}")


class Interrupted(RuntimeError):
    """The run was cancelled."""


@dataclass(frozen=True)
class Event:
    """One message about a run. kind: executing, progress, executed, execution_cached or one of FINAL."""

    kind: str
    node: str | None = None
    value: float | None = None
    maximum: float | None = None
    data: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Client:
    url: str
    id: str = field(default_factory=lambda: uuid.uuid4().hex)

    def run(self, prompt: dict, on_event: Callable[[Event], None] | None = None) -> dict:
        """Queue, watch to the end, return outputs by node id. Raises if refused, failed or cancelled."""
        connection = self.listen()
        try:
            prompt_id = self.submit(prompt)
            for event in self.events(connection, prompt_id):
                if on_event:
                    on_event(event)
                raise_if_failed(event.kind, event.data)
        finally:
            connection.close()
        return self.wait(prompt_id)["outputs"]

    def submit(self, prompt: dict) -> str:
        body = {"prompt": prompt, "client_id": self.id}
        text = json.dumps(body)  # with NaN, which browsers and the server know and requests refuses
        headers = {"Content-Type": "application/json"}
        answer = requests.post(f"{self.url}/prompt", data=text, headers=headers, timeout=60)
        if answer.status_code == 400:
            raise InvalidPrompt(answer.json())
        answer.raise_for_status()
        return answer.json()["prompt_id"]

    def listen(self) -> websocket.WebSocket:
        """Open this before `submit`, or the first events are lost."""
        address = f"{self.url.replace('http', 'ws', 1)}/ws?clientId={self.id}"
        return websocket.create_connection(address, timeout=SECONDS_OF_SILENCE)

    def events(self, connection: websocket.WebSocket, prompt_id: str) -> Iterator[Event]:
        """Yield the events of this prompt, up to and including its end."""
        while True:
            message = connection.recv()
            if isinstance(message, bytes):  # a preview image
                continue
            event = parse_event(json.loads(message), prompt_id)
            if event:
                yield event
                if event.kind in FINAL:
                    return

    def wait(self, prompt_id: str, seconds: float = 900) -> dict:
        """The history entry of the finished run, without a websocket."""
        limit = time.monotonic() + seconds
        while time.monotonic() < limit:
            entry = self.history(prompt_id)
            if entry:
                for kind, data in entry["status"]["messages"]:
                    raise_if_failed(kind, data)
                return entry
            time.sleep(0.1)
        raise TimeoutError(f"prompt {prompt_id} did not finish within {seconds:.0f} s")

    def history(self, prompt_id: str) -> dict | None:
        return self.get(f"/history/{prompt_id}").get(prompt_id)

    def object_info(self) -> dict:
        return self.get("/object_info")

    def image(self, entry: dict) -> bytes:
        """The file behind one entry of an output's `images`."""
        answer = requests.get(f"{self.url}/view", params=entry, timeout=60)
        answer.raise_for_status()
        return answer.content

    def interrupt(self) -> None:
        requests.post(f"{self.url}/interrupt", timeout=60).raise_for_status()

    def free(self) -> None:
        """Unload models and clear cached results before the next run."""
        body = {"unload_models": True, "free_memory": True}
        requests.post(f"{self.url}/free", json=body, timeout=60).raise_for_status()

    def get(self, path: str) -> dict:
        answer = requests.get(f"{self.url}{path}", timeout=60)
        answer.raise_for_status()
        return answer.json()


def parse_event(message: dict, prompt_id: str) -> Event | None:
    """None for messages about the queue or about another prompt."""
    data = message.get("data") or {}
    if data.get("prompt_id") != prompt_id or message["type"] == "progress_state":
        return None
    node = data.get("node") or data.get("node_id")
    return Event(message["type"], node, data.get("value"), data.get("max"), data)


def raise_if_failed(kind: str, data: dict) -> None:
    if kind == "execution_error":
        raise ExecutionFailed(data)
    if kind == "execution_interrupted":
        raise Interrupted(f"cancelled at node {data.get('node_id')}")


def sentences(answer: dict) -> list[str]:
    """One line per node error of a 400 response; the general error only if there are none."""
    lines = [
        f"{node['class_type']}: {error['message']}: {error['details']}"
        for node in (answer.get("node_errors") or {}).values()
        for error in node["errors"]
    ]
    error = answer.get("error", {})
    return lines or [f"{error.get('message', answer)} {error.get('details', '')}".strip()]
