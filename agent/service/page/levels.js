// Window and level: intensities to gray, to the bit as the server does it (DICOM PS3.3 C.11.2.1.3.2, in float32).

/** Gray 0..255 of one intensity. */
export function gray(value, { center, width }) {
  const low = Math.fround(center - width / 2);
  return grayOf(value, low, Math.fround(255 / width));
}

function grayOf(value, low, factor) {
  const scaled = Math.fround(Math.fround(Math.fround(Math.fround(value) - low) * factor) + 0.5);
  if (!(scaled > 0)) return 0; // NaN is black as well
  return scaled >= 255 ? 255 : Math.trunc(scaled);
}

/** Writes opaque gray pixels of `values` (a typed array) into `pixels`, a Uint32Array over an ImageData. */
export function paint(values, window, pixels) {
  const low = Math.fround(window.center - window.width / 2);
  const factor = Math.fround(255 / window.width);
  const word = (value) => (0xff000000 | (grayOf(value, low, factor) * 0x010101)) >>> 0;
  const first = FIRST[values.constructor.name];
  if (first === undefined) {
    for (let i = 0; i < values.length; i += 1) pixels[i] = word(values[i]);
    return;
  }
  // a table is quicker than arithmetic once a slice has more pixels than the type has values
  const table = new Uint32Array(2 ** (8 * values.BYTES_PER_ELEMENT));
  for (let i = 0; i < table.length; i += 1) table[i] = word(i + first);
  for (let i = 0; i < values.length; i += 1) pixels[i] = table[values[i] - first];
}

const FIRST = { Uint8Array: 0, Int8Array: -128, Uint16Array: 0, Int16Array: -32768 };

/** The window after a drag by screen pixels: to the right wider, upwards brighter. */
export function dragged({ center, width }, dx, dy) {
  return { center: center + (dy * width) / 300, width: Math.max(width * Math.exp(dx / 300), width / 1000, 1e-6) };
}

/** A window in words. */
export function told({ center, width }) {
  const short = (value) => String(Math.abs(value) >= 100 ? Math.round(value) : Number(value.toPrecision(3)));
  return `W ${short(width)} L ${short(center).replace("-", "−")}`;
}
