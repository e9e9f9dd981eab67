// What pointer, wheel and keys do on a viewer. Knows events; what they mean for the picture is geometry's.

import { boxBetween, nudge, shift, toSource, zoomAt } from "./geometry.js";
import { dragged } from "./levels.js";

const STEPS = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] };

/** Listens to a pane's canvas and works the pane. */
export class Hand {
  constructor(pane) {
    this.pane = pane;
    this.down = new Map();
    const { canvas } = pane;
    const listen = (name, act, options) => canvas.addEventListener(name, (event) => act.call(this, event), options);
    listen("pointerdown", this.press);
    listen("pointermove", this.drag);
    listen("pointerup", this.release);
    listen("pointercancel", this.release);
    listen("pointerleave", this.leave);
    listen("wheel", this.wheel, { passive: false });
    listen("keydown", this.key);
    listen("focus", () => pane.hooks.active(pane));
    listen("contextmenu", (event) => event.preventDefault());
    listen("dblclick", () => pane.fit());
  }

  press(event) {
    const { pane } = this;
    if (!pane.transform) return;
    pane.canvas.setPointerCapture(event.pointerId);
    const at = [event.offsetX, event.offsetY];
    this.down.set(event.pointerId, at);
    const other = { 1: "move", 2: "window" }[event.button];
    this.mode = this.down.size > 1 ? "pinch" : (other ?? pane.hooks.tool());
    this.from = { at, transform: pane.transform, window: pane.hooks.windowOf(pane.image) };
  }

  drag(event) {
    const { pane } = this;
    if (!pane.transform) return;
    const at = [event.offsetX, event.offsetY];
    const before = this.down.get(event.pointerId);
    if (!before) return void (event.pointerType !== "touch" && pane.point(...at));
    const [dx, dy] = [at[0] - this.from.at[0], at[1] - this.from.at[1]];
    this.down.set(event.pointerId, at);
    if (this.mode === "pinch") this.pinch(event.pointerId, before, at);
    if (this.mode === "move") pane.move(shift(this.from.transform, dx, dy));
    if (this.mode === "window" && this.from.window) pane.hooks.windowed(pane, dragged(this.from.window, dx, dy));
    if (this.mode === "box") this.span(at);
  }

  pinch(id, before, at) {
    const other = [...this.down].find(([name]) => name !== id)?.[1];
    if (!other) return;
    const far = (point) => Math.max(1, Math.hypot(point[0] - other[0], point[1] - other[1]));
    const middle = [(at[0] + other[0]) / 2, (at[1] + other[1]) / 2];
    const moved = shift(this.pane.transform, (at[0] - before[0]) / 2, (at[1] - before[1]) / 2);
    this.pane.move(zoomAt(moved, middle, far(at) / far(before)));
  }

  span(at) {
    const { transform, aspect, size } = this.pane.place;
    this.pane.mark = boxBetween(toSource(transform, aspect, this.from.at), toSource(transform, aspect, at), size);
    this.pane.draw();
  }

  release(event) {
    if (!this.down.delete(event.pointerId)) return;
    if (this.mode === "box") {
      this.span([event.offsetX, event.offsetY]);
      this.pane.setMark(this.pane.mark);
    }
    this.mode = null;
  }

  leave() {
    this.pane.readout = "";
    this.pane.hooks.hovered([]);
    this.pane.draw();
  }

  wheel(event) {
    event.preventDefault();
    const { pane } = this;
    if (!pane.transform) return;
    pane.hooks.active(pane);
    const turned = event.deltaY || event.deltaX; // with Shift some browsers turn the wheel sideways
    const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? turned * 33 : turned;
    if (event.shiftKey) pane.step(Math.sign(turned));
    else pane.zoom(Math.exp(-Math.max(-200, Math.min(200, lines)) / 400), [event.offsetX, event.offsetY]);
  }

  key(event) {
    if (!this.pane.transform || event.altKey || event.metaKey) return;
    if (this.arrow(event) || this.letter(event)) event.preventDefault();
  }

  arrow(event) {
    const step = STEPS[event.key];
    const { pane } = this;
    if (!step) return false;
    const [dx, dy] = step;
    if (event.ctrlKey) pane.move(shift(pane.transform, -40 * dx, -40 * dy));
    else if (pane.mark) {
      const by = Math.max(1, Math.round(6 / pane.transform.scale));
      const change = event.shiftKey ? { dw: dx * by, dh: dy * by } : { dx: dx * by, dy: dy * by };
      pane.setMark(nudge(pane.mark, change, pane.shape));
    } else if (dy) pane.step(dy);
    return true;
  }

  letter({ key }) {
    const { pane } = this;
    const page = { PageUp: -5, PageDown: 5, Home: -Infinity, End: Infinity }[key];
    const window = pane.hooks.windowOf(pane.image);
    const turn = { "[": [-15, 0], "]": [15, 0], ",": [0, -15], ".": [0, 15] }[key];
    if (page) pane.step(page);
    else if (turn && window) pane.hooks.windowed(pane, dragged(window, ...turn));
    else if (key === "+" || key === "=") pane.zoom(1.25);
    else if (key === "-") pane.zoom(0.8);
    else if (key === "0") pane.fit();
    else if (key === "b" || key === "B") pane.setMark(this.middle());
    else if (key === "Escape" && pane.mark) pane.setMark(null);
    else return false;
    return true;
  }

  /** A box of a quarter of the viewer's sides, in its middle. */
  middle() {
    const { transform, aspect, size } = this.pane.place;
    const { width, height } = this.pane.view;
    const corner = (part) => toSource(transform, aspect, [width * part, height * part]).map(Math.round);
    return boxBetween(corner(0.375), corner(0.625), size);
  }
}
