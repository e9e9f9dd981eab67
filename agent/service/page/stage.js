// The viewers, and the controls around them: which image, plane, slice and window each shows.
// Knows images and boxes as data, and the one who asked for it through `hooks`.

import { $, button, el, say } from "./dom.js";
import { told } from "./levels.js";
import { Pane } from "./pane.js";

const MOST = 4; // viewers side by side

/** `hooks`: boxesOn(image, plane, index), lit(), hovered(ids), marked(), moved(), failed(error). */
export class Stage {
  constructor(hooks) {
    this.hooks = hooks;
    this.images = [];
    this.names = new Map();
    this.at = new Map(); // image number → {plane, index: {plane: n}, window}
    this.panes = [];
    this.active = null;
    this.presets = [];
    this.listen();
  }

  /** Forgets everything, for another session with these slices. */
  reset(slices) {
    this.slices = slices;
    this.images = [];
    this.at.clear();
    this.names.clear();
    this.layout(0);
    this.refresh();
  }

  /** Takes the images of the session; the first new one is shown in the active viewer. */
  setImages(images, names = new Map()) {
    const known = new Set(this.images.map((image) => image.number));
    const fresh = images.find((image) => !known.has(image.number));
    this.images = images;
    names.forEach((name, number) => this.names.set(number, name));
    for (const image of images) if (!this.at.has(image.number)) this.at.set(image.number, opening(image));
    if (!this.panes.length && images.length) this.layout(1);
    if (fresh) this.open(fresh);
    if ($("side").checked) this.sideBySide();
    this.refresh();
  }

  nameOf(image) {
    return this.names.get(image.number) ?? `Image ${image.number}`;
  }

  imageOf(id) {
    return this.images.find((image) => image.id === id);
  }

  /** Shows an image where it was left, in a viewer. */
  open(image, pane = this.active) {
    const { plane, index } = this.at.get(image.number);
    pane.show(image, plane, index[plane]);
  }

  /** Makes a place visible, in a viewer that has it, or has its image, or else in the active one. */
  reveal({ image: id, plane, slice }) {
    const image = this.imageOf(id);
    if (!image) return;
    const has = (pane) => pane.image === image && pane.plane === plane && pane.index === slice;
    if (this.panes.some(has)) return;
    const pane = this.panes.find((one) => one.image === image) ?? this.active;
    pane.show(image, plane, slice);
  }

  /** Draws the rectangle of a view on the slice that it shows, or takes it away. */
  outline(place) {
    for (const pane of this.panes) {
      const here = place && pane.image?.id === place.image && pane.plane === place.plane && pane.index === place.slice;
      pane.outline = here ? place.box : null;
      pane.draw();
    }
  }

  draw() {
    this.panes.forEach((pane) => pane.draw());
  }

  /** The slices that are shown, the active viewer's first, each once, as the API names them. */
  looks() {
    const order = [this.active, ...this.panes.filter((pane) => pane !== this.active)].filter((pane) => pane?.image);
    const seen = new Map(order.map((pane) => [`${pane.image.number}/${pane.plane}/${pane.index}`, pane]));
    return [...seen.values()].map((pane) => this.lookOf(pane));
  }

  /** What a viewer shows, as the API names it; the window only where it is not the image's own. */
  lookOf({ image, plane, index }) {
    const { window } = this.at.get(image.number);
    const own = image.about.window;
    const changed = window && (window.center !== own.center || window.width !== own.width);
    return { image: image.number, plane, slice: index, ...(changed ? { window } : {}) };
  }

  /** Whether a look is anything else than what opens its image. */
  away({ image: number, plane, slice, window }) {
    const start = opening(this.images.find((image) => image.number === number));
    return Boolean(window) || plane !== start.plane || slice !== start.index[plane];
  }

  /** The marked box with its slice, or null. */
  marked() {
    const pane = this.panes.find((one) => one.mark);
    if (!pane) return null;
    return { look: this.lookOf(pane), box: pane.mark, words: this.placeWords(pane) };
  }

  unmark() {
    this.panes.forEach((pane) => pane.mark && pane.setMark(null));
  }

  placeWords(pane = this.active) {
    const { slices } = pane.shape;
    return this.nameOf(pane.image) + (slices > 1 ? `, ${pane.plane} slice ${pane.index + 1}` : "");
  }

  // viewers

  layout(count) {
    while (this.panes.length > count) {
      const pane = this.panes.pop();
      pane.sizes.disconnect();
      pane.root.remove();
    }
    while (this.panes.length < count) {
      const pane = new Pane(this.paneHooks());
      this.panes.push(pane);
      $("panes").append(pane.root);
    }
    $("panes").dataset.count = String(count);
    this.activate(this.panes.includes(this.active) ? this.active : (this.panes[0] ?? null));
  }

  sideBySide() {
    const others = this.images.filter((image) => image !== this.active.image);
    const shown = [this.active.image, ...others].sort((a, b) => a.number - b.number).slice(0, MOST);
    this.layout(Math.max(2, shown.length));
    this.panes.forEach((pane, i) => {
      const image = shown[i] ?? shown[0];
      if (pane.image !== image) this.open(image, pane);
    });
  }

  oneOnly() {
    const { image, plane, index } = this.active;
    this.layout(1);
    if (this.active.image !== image || this.active.index !== index) this.active.show(image, plane, index);
  }

  paneHooks() {
    return {
      slices: () => this.slices,
      nameOf: (image) => this.nameOf(image),
      windowOf: (image) => this.at.get(image.number).window,
      boxesOn: this.hooks.boxesOn,
      lit: this.hooks.lit,
      tool: () => document.querySelector("input[name=tool]:checked").value,
      active: (pane) => this.activate(pane),
      changed: (pane) => this.changed(pane),
      windowed: (pane, window) => this.setWindow(pane.image, window),
      hovered: this.hooks.hovered,
      marked: (pane, box) => this.markedIn(pane, box),
      failed: this.hooks.failed,
    };
  }

  activate(pane) {
    this.active = pane;
    for (const one of this.panes) one.root.classList.toggle("active", one === pane && this.panes.length > 1);
    if (pane?.image) this.refresh();
  }

  changed(pane) {
    const at = this.at.get(pane.image.number);
    at.plane = pane.plane;
    at.index[pane.plane] = pane.index;
    if (pane === this.active) this.refresh();
    this.hooks.moved();
  }

  markedIn(pane, box) {
    for (const other of this.panes) if (other !== pane && box && other.mark) other.setMark(null);
    if (box) say(`Box ${box.join(", ")} on ${this.placeWords(pane)}`);
    this.hooks.marked();
  }

  setWindow(image, window) {
    this.at.get(image.number).window = window;
    this.refresh();
    this.hooks.moved();
    cancelAnimationFrame(this.painting);
    // one painting a frame is enough, however fast the hand is
    this.painting = requestAnimationFrame(() => {
      for (const pane of this.panes) if (pane.image === image) pane.load();
    });
  }

  // controls

  listen() {
    const on = (id, event, act) => $(id).addEventListener(event, act);
    on("in", "click", () => this.active.zoom(1.25));
    on("out", "click", () => this.active.zoom(0.8));
    on("fit", "click", () => this.active.fit());
    on("slice", "input", () => this.active.show(this.active.image, this.active.plane, Number($("slice").value)));
    on("plane", "change", () => this.openPlane($("plane").value));
    on("window", "change", () => this.preset($("window").value));
    on("side", "change", () => ($("side").checked ? this.sideBySide() : this.oneOnly()));
  }

  openPlane(plane) {
    const { image } = this.active;
    this.active.show(image, plane, this.at.get(image.number).index[plane]);
  }

  preset(name) {
    const { image } = this.active;
    const found = this.presets.find((preset) => preset.name === name) ?? image.about.window;
    this.setWindow(image, { center: found.center, width: found.width });
  }

  refresh() {
    const there = this.images.length > 0;
    $("panes").hidden = $("controls").hidden = !there;
    $("empty").hidden = there;
    $("add").hidden = $("side-label").hidden = !there;
    this.refreshTabs();
    if (!this.active?.image) return;
    const { image, plane, index, shape } = this.active;
    const planes = Object.keys(image.about.planes);
    $("plane-label").hidden = planes.length < 2;
    $("plane").replaceChildren(...planes.map((name) => el("option", { text: name, value: name })));
    $("plane").value = plane;
    $("slice-label").hidden = shape.slices < 2;
    $("slice").max = String(shape.slices - 1);
    $("slice").value = String(index);
    $("slice-at").textContent = `${index + 1}/${shape.slices}`;
    $("slice").setAttribute("aria-valuetext", `${index + 1} of ${shape.slices}`);
    if (this.active.transform) $("zoom").textContent = `${Math.round(100 * this.active.transform.scale)} %`;
    this.refreshWindow(image);
  }

  refreshWindow(image) {
    const { window } = this.at.get(image.number);
    $("window-label").hidden = !window;
    if (!window) return;
    const same = (other) => other && other.center === window.center && other.width === window.width;
    const presets = image.about.modality === "CT" ? this.presets : [];
    const name = same(image.about.window) ? "own" : (presets.find(same)?.name ?? "hand");
    const options = presets.map((preset) => el("option", { value: preset.name, text: preset.name }));
    const own = el("option", { value: "own", text: "as opened" });
    const hand = name === "hand" ? [el("option", { value: "hand", text: told(window) })] : [];
    $("window").replaceChildren(own, ...options, ...hand);
    $("window").value = name;
  }

  refreshTabs() {
    const shown = this.active?.image;
    $("tabs").replaceChildren(
      ...this.images.map((image) =>
        button(this.nameOf(image), () => this.open(image), {
          class: "tab",
          title: image.about.description,
          "aria-pressed": String(image === shown),
          data: { image: image.number },
        }),
      ),
    );
  }
}

/** Where an image is opened: its first plane, the middle slices, its own window. */
function opening(image) {
  const planes = Object.entries(image.about.planes);
  const index = Object.fromEntries(planes.map(([plane, { slices }]) => [plane, Math.floor(slices / 2)]));
  return { plane: planes[0][0], index, window: image.about.window };
}
