"""Two pictures on one another, and where one ends and the other begins: by mouse, by finger or by keys."""

from typing import ClassVar

import param
from panel.custom import JSComponent


class Swipe(JSComponent):
    """Shows the left picture up to a line, and the right one behind it."""

    left = param.String(doc="The left picture, as a page holds it.")
    right = param.String(doc="The right picture.")
    left_name = param.String(doc="What the left one shows.")
    right_name = param.String(doc="What the right one shows.")

    _esm = """
export function render({ model }) {
  const root = document.createElement('div');
  root.innerHTML = `<div class="stack"><img class="left"><img class="right"><i></i></div>
    <label><span class="name"></span><input type="range" min="0" max="100" value="50" step="1"></label>`;
  const [stack, left, right, range] = ['.stack', '.left', '.right', 'input'].map((one) => root.querySelector(one));
  const move = (at) => stack.style.setProperty('--at', `${at}%`);
  const show = () => {
    left.src = model.left; left.alt = model.left_name;
    right.src = model.right; right.alt = model.right_name;
    root.querySelector('.name').textContent = `Swipe: ${model.left_name} left, ${model.right_name} right`;
  };
  range.addEventListener('input', () => move(range.value));
  stack.addEventListener('pointerdown', (event) => stack.setPointerCapture(event.pointerId));
  stack.addEventListener('pointermove', (event) => {
    if (!event.buttons) return;
    const box = stack.getBoundingClientRect();
    range.value = 100 * (event.clientX - box.left) / box.width;
    move(range.value);
  });
  for (const name of ['left', 'right', 'left_name', 'right_name']) model.on(name, show);
  show(); move(50);
  return root;
}
"""

    _stylesheets: ClassVar[list[str]] = [
        """
.stack { position: relative; touch-action: pan-y; cursor: ew-resize; user-select: none; line-height: 0; }
.stack img { width: 100%; pointer-events: none; }
.stack .right { position: absolute; inset: 0; clip-path: inset(0 0 0 var(--at)); }
.stack i { position: absolute; top: 0; bottom: 0; left: var(--at); width: 2px; margin-left: -1px; background: #fff;
  box-shadow: 0 0 0 1px #000; }
label { display: block; margin-top: 0.5rem; font-size: 0.9rem; }
input { display: block; width: 100%; margin: 0.3rem 0 0; accent-color: var(--accent); }
"""
    ]
