// Slices of a session's images as pictures to draw: fetched once, kept while there is room, windowed here.
//
// A gray slice comes as its stored intensities, so that the window follows the hand without asking the server.
// Colour, and pictures of more than LARGEST pixels, come as PNG, drawn by the server.

import * as api from "./api.js";
import { paint } from "./levels.js";

const LARGEST = 2 ** 24;
const ROOM = 2 ** 28; // bytes of intensities that are kept

/** Fetches and keeps slices of one session. */
export class Slices {
  constructor(session) {
    this.session = session;
    this.kept = new Map();
    this.bytes = 0;
  }

  /** Whether the window is applied here. */
  local(image, plane) {
    const { width, height } = image.about.planes[plane];
    return !image.about.color && width * height <= LARGEST;
  }

  /** {canvas, values?} to draw over the whole slice. Throws Refusal, or AbortError after `signal`. */
  async picture(image, plane, index, window, signal) {
    if (!this.local(image, plane)) return this.drawn(image, plane, index, window, signal);
    const slice = await this.slice(image, plane, index, signal);
    return { canvas: windowed(slice, window), values: slice.values };
  }

  /** The slice if it is there already. */
  ready(image, plane, index) {
    return this.kept.get(`${image.number}/${plane}/${index}`);
  }

  async slice(image, plane, index, signal) {
    const name = `${image.number}/${plane}/${index}`;
    const known = this.kept.get(name);
    const slice = known ?? (await api.intensities(this.session, image.number, plane, index, signal));
    this.bytes += known ? 0 : slice.values.byteLength;
    this.kept.delete(name);
    this.kept.set(name, slice); // the newest is last
    for (const [old, { values }] of this.kept) {
      if (this.bytes <= ROOM || old === name) break;
      this.kept.delete(old);
      this.bytes -= values.byteLength;
    }
    return slice;
  }

  async drawn(image, plane, index, window, signal) {
    const blob = await api.slicePng(this.session, image.number, plane, index, window, signal);
    return { canvas: await createImageBitmap(blob) };
  }
}

function windowed(slice, window) {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [slice.width, slice.height];
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(slice.width, slice.height);
  paint(slice.values, window, new Uint32Array(pixels.data.buffer));
  context.putImageData(pixels, 0, 0);
  return canvas;
}
