// One viewer: a canvas with a slice of an image, its boxes, and what hand and keys do there.
// Knows images, slices and boxes as data; talks to the stage through `hooks`.

import { el } from "./dom.js";
import { drawScene } from "./draw.js";
import * as geometry from "./geometry.js";
import { Hand } from "./hand.js";
import { told } from "./levels.js";

/** `hooks`: slices(), windowOf(image), boxesOn(image, plane, index), lit(), tool(), and what a pane tells:
 *  nameOf(image), active(pane), changed(pane), windowed(pane, window), hovered(ids), marked(pane, box), failed(error). */
export class Pane {
  constructor(hooks) {
    this.hooks = hooks;
    this.canvas = el("canvas", { tabindex: "0", role: "application", "aria-roledescription": "image viewer" });
    this.busy = el("p", { class: "busy", text: "Loading…", hidden: true });
    this.root = el("div", { class: "pane" }, this.canvas, this.busy);
    this.context = this.canvas.getContext("2d");
    this.image = null;
    this.transform = null;
    this.mark = null;
    this.outline = null;
    this.readout = "";
    this.hand = new Hand(this);
    this.sizes = new ResizeObserver(() => this.resized());
    this.sizes.observe(this.canvas);
  }

  get shape() {
    return this.image.about.planes[this.plane];
  }

  get place() {
    return { transform: this.transform, aspect: geometry.aspectOf(this.shape.spacing_mm), size: this.shape };
  }

  /** Shows a slice; the place on the screen stays when image and plane do. */
  show(image, plane, index) {
    const same = this.image === image && this.plane === plane;
    if (!same || this.index !== index) this.mark = this.outline = null;
    if (!same) this.transform = this.picture = null;
    this.arrived = false;
    [this.image, this.plane, this.index] = [image, plane, index];
    this.hooks.changed(this);
    return this.load();
  }

  /** Fetches what is to be shown, the newest wish only, and draws it. */
  async load() {
    this.loading?.abort();
    const { signal } = (this.loading = new AbortController());
    const waiting = setTimeout(() => (this.busy.hidden = false), 200);
    try {
      const window = this.hooks.windowOf(this.image);
      const got = await this.hooks.slices().picture(this.image, this.plane, this.index, window, signal);
      if (signal.aborted) return;
      this.picture = got.canvas;
      this.values = got.values;
      this.arrived = true;
      this.canvas.dataset.shown = `${this.image.number}/${this.plane}/${this.index}`;
      this.draw();
      this.hooks.changed(this); // the place on the screen is known now
    } catch (error) {
      if (error.name !== "AbortError") this.hooks.failed(error);
    } finally {
      clearTimeout(waiting);
      if (!signal.aborted) this.busy.hidden = true;
    }
  }

  step(by) {
    const index = Math.min(this.shape.slices - 1, Math.max(0, this.index + by));
    if (index !== this.index) this.show(this.image, this.plane, index);
  }

  fit() {
    this.transform = null;
    this.draw();
    this.hooks.changed(this);
  }

  zoom(factor, point = [this.view.width / 2, this.view.height / 2]) {
    this.move(geometry.zoomAt(this.transform, point, factor));
  }

  move(transform) {
    this.transform = transform;
    this.draw();
    this.hooks.changed(this);
  }

  /** The boxes of the slice that is shown: none while the slice before it still stands there. */
  boxes() {
    return this.arrived ? this.hooks.boxesOn(this.image, this.plane, this.index) : [];
  }

  setMark(box) {
    this.mark = box;
    this.draw();
    this.hooks.marked(this, box);
  }

  point(x, y) {
    const at = geometry.toSource(this.transform, this.place.aspect, [x, y]);
    const { width, height } = this.shape;
    const inside = at[0] >= 0 && at[1] >= 0 && at[0] < width && at[1] < height;
    const [column, row] = at.map(Math.floor);
    const value = inside && this.arrived && this.values ? ` · ${Number(this.values[row * width + column].toPrecision(6))}` : "";
    const unit = value && this.image.about.modality === "CT" ? " HU" : "";
    this.readout = inside ? `x ${column} y ${row}${value}${unit}` : "";
    this.hooks.hovered(inside ? [geometry.hit(this.boxes(), at)?.id].filter(Boolean) : []);
    this.draw();
  }

  resized() {
    const { width, height } = this.canvas.getBoundingClientRect();
    if (!width || !height) return;
    const ratio = window.devicePixelRatio || 1;
    const before = this.view;
    this.view = { width, height };
    [this.canvas.width, this.canvas.height] = [Math.round(width * ratio), Math.round(height * ratio)];
    if (before && this.transform) {
      this.transform = geometry.shift(this.transform, (width - before.width) / 2, (height - before.height) / 2);
    }
    if (this.fitted) this.transform = null;
    this.draw();
    if (this.image) this.hooks.changed(this);
  }

  draw() {
    if (!this.view || !this.image) return;
    this.fitted = this.transform === null || (this.fitted && this.transform === this.fittedTo);
    if (this.transform === null) {
      this.transform = geometry.fit(this.shape, geometry.aspectOf(this.shape.spacing_mm), this.view);
    }
    if (this.fitted) this.fittedTo = this.transform;
    const boxes = this.boxes();
    const lit = this.hooks.lit();
    const scene = { view: this.view, ratio: window.devicePixelRatio || 1, picture: this.picture, place: this.place };
    const words = { sides: this.shape.sides, corner: this.corner(), readout: this.readout };
    drawScene(this.context, { ...scene, ...words, boxes, lit, mark: this.mark, outline: this.outline });
    this.describe(boxes, lit);
  }

  corner() {
    const window = this.hooks.windowOf(this.image);
    const { slices } = this.shape;
    const slice = slices > 1 ? `${this.plane} ${this.index + 1}/${slices}` : "";
    return [this.hooks.nameOf(this.image), slice, window ? told(window) : ""].filter(Boolean);
  }

  describe(boxes, lit) {
    const where = this.corner().join(", ");
    const names = boxes.map((item) => `${item.id} ${item.label}`).join("; ");
    this.canvas.setAttribute("aria-label", names ? `${where}. Boxes: ${names}` : where);
    this.canvas.dataset.transform = JSON.stringify(this.transform);
    this.canvas.dataset.boxes = boxes.map((item) => item.id).join(" ");
    this.canvas.dataset.lit = boxes.filter((item) => lit.has(item.id)).map((item) => item.id).join(" ");
    this.canvas.dataset.mark = this.mark ? this.mark.join(" ") : "";
  }
}
