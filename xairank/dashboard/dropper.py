"""Takes a file of the browser, by drag and drop, by mouse or by keys; the server has the last word on its size."""

from collections.abc import Callable, Mapping
from pathlib import PurePath
from typing import Any, ClassVar, NamedTuple

import param
from panel.custom import JSComponent

from xairank.errors import UserError

MEGABYTES = 20  # of a file, at most
CHUNK = 2_000_000  # bytes of a message of the browser
LARGEST_MESSAGE = 4 * CHUNK  # what a browser sends beyond this ends its connection


class Upload(NamedTuple):
    """A file: what it is called, and what it holds."""

    name: str
    content: bytes


Given = Upload | UserError


class Dropper(JSComponent):
    """A field for one file of at most :data:`MEGABYTES`. Nothing is kept of what was handed on.

    Args:
        take: Is given the file, or the reason why it was refused.
        **params: Of the component.
    """

    label = param.String(doc="What file is wanted.")
    shown = param.String(doc="The name of the file that was taken last.")
    preview = param.String(doc="A small picture of it, as a page holds it.")
    limit = param.Integer(MEGABYTES * 1_000_000, doc="Bytes of a file, at most.")
    chunk = param.Integer(CHUNK, doc="Bytes of a message.")

    _esm = """
export function render({ model }) {
  const root = document.createElement('label');
  root.innerHTML = `<span class="label"></span>
    <span class="drop"><img alt="" hidden><b></b>Drop a file here, or <u>choose one</u>
    <input type="file" accept="image/*"></span>`;
  const input = root.querySelector('input'), drop = root.querySelector('.drop'), preview = root.querySelector('img');
  const show = () => {
    root.querySelector('.label').textContent = model.label;
    root.querySelector('b').textContent = model.shown;
    preview.hidden = !model.preview;
    preview.src = model.preview;
  };
  input.addEventListener('change', async () => {
    const file = input.files[0];
    if (!file) return;
    if (file.size > model.limit) {
      model.send_msg({ name: file.name, refused: true });
    } else {
      const parts = Math.max(1, Math.ceil(file.size / model.chunk));
      for (let part = 0; part < parts; part++) {
        const data = await file.slice(part * model.chunk, (part + 1) * model.chunk).arrayBuffer();
        model.send_msg({ name: file.name, part, parts, data });
      }
    }
    input.value = '';
  });
  for (const kind of ['dragenter', 'dragleave', 'drop'])
    drop.addEventListener(kind, () => drop.classList.toggle('over', kind === 'dragenter'));
  for (const name of ['shown', 'preview']) model.on(name, show);
  show();
  return root;
}
"""

    _stylesheets: ClassVar[list[str]] = [
        """
.label { display: block; padding-bottom: 0.15rem; }
.drop { position: relative; display: block; padding: 0.9rem 0.75rem; text-align: center; border-radius: 4px;
  border: 1px dashed var(--line); background: var(--raised); }
.drop b { display: block; overflow-wrap: anywhere; }
.drop img { margin: 0 auto 0.4rem; max-width: 100%; image-rendering: auto; }
.drop.over { border: 1px solid var(--accent); }
.drop:focus-within { outline: 2px solid var(--accent); outline-offset: 1px; }
input { position: absolute; inset: 0; width: 100%; opacity: 0; cursor: pointer; }
"""
    ]

    def __init__(self, take: Callable[[Given], None], **params: Any) -> None:  # noqa: ANN401
        super().__init__(sizing_mode="stretch_width", margin=(5, 10), **params)
        self._take, self._limit = take, self.limit  # what a browser says of its properties does not count
        self._name = ""
        self._parts: list[bytes] = []

    def _handle_msg(self, data: Mapping[str, Any]) -> None:
        """A part of a file; the parts of one that is too large are not kept, nor is what no browser of ours sends."""
        if not data.get("refused") and not isinstance(data["data"], bytes | memoryview):
            raise TypeError(f"a part of a file is {type(data['data']).__name__}, expected bytes")
        if data.get("refused") or data["part"] == 0:
            self._name, self._parts = data["name"], []
        elif data["name"] != self._name:
            return
        name = PurePath(self._name).name
        self._parts += [] if data.get("refused") else [bytes(data["data"])]
        if data.get("refused") or sum(map(len, self._parts)) > self._limit:
            self._name, self._parts = "", []
            self._take(UserError(f"{name}: has more than {MEGABYTES} MB; choose another file"))
        elif data["part"] == data["parts"] - 1:
            content, self._parts = b"".join(self._parts), []
            self._take(Upload(name, content))
