// Where source pixels are on the screen. Pure functions; they know no canvas and no event.
//
// A transform is {scale, x, y}: screen = source * aspect * scale + (x, y), in CSS pixels of the viewer. `aspect`
// {x, y} is how far apart two source pixels are shown at scale 1, so that millimetres are square.

export const MIN_SCALE = 0.02;
export const MAX_SCALE = 64;

/** The aspect of a slice from its [row, column] spacing in millimetres; square without one. */
export function aspectOf(spacing) {
  if (!spacing) return { x: 1, y: 1 };
  const [row, column] = spacing;
  const finest = Math.min(row, column);
  return { x: column / finest, y: row / finest };
}

/** The transform that shows a whole slice of `size` {width, height} in the middle of `view` {width, height}. */
export function fit(size, aspect, view, margin = 8) {
  const wide = size.width * aspect.x;
  const high = size.height * aspect.y;
  const room = { width: Math.max(1, view.width - 2 * margin), height: Math.max(1, view.height - 2 * margin) };
  const scale = Math.min(room.width / wide, room.height / high);
  return { scale, x: (view.width - wide * scale) / 2, y: (view.height - high * scale) / 2 };
}

/** Source point [x, y] to screen. */
export function toScreen(transform, aspect, [x, y]) {
  return [x * aspect.x * transform.scale + transform.x, y * aspect.y * transform.scale + transform.y];
}

/** Screen point [x, y] to source. */
export function toSource(transform, aspect, [x, y]) {
  return [(x - transform.x) / (aspect.x * transform.scale), (y - transform.y) / (aspect.y * transform.scale)];
}

/** Source box [x0, y0, x1, y1] to screen. */
export function boxToScreen(transform, aspect, [x0, y0, x1, y1]) {
  return [...toScreen(transform, aspect, [x0, y0]), ...toScreen(transform, aspect, [x1, y1])];
}

/** The transform after a zoom that leaves the screen point where it is. */
export function zoomAt(transform, [x, y], factor) {
  const scale = Math.min(MAX_SCALE, Math.max(MIN_SCALE, transform.scale * factor));
  const by = scale / transform.scale;
  return { scale, x: x - (x - transform.x) * by, y: y - (y - transform.y) * by };
}

/** The transform after a shift by screen pixels. */
export function shift(transform, dx, dy) {
  return { ...transform, x: transform.x + dx, y: transform.y + dy };
}

/** The box between two source points, as far as it lies on the slice, in hundredths; null when it is no area. */
export function boxBetween([ax, ay], [bx, by], size) {
  const within = (value, most) => Math.round(100 * Math.min(most, Math.max(0, value))) / 100;
  const box = [
    within(Math.min(ax, bx), size.width),
    within(Math.min(ay, by), size.height),
    within(Math.max(ax, bx), size.width),
    within(Math.max(ay, by), size.height),
  ];
  return box[2] - box[0] >= 1 && box[3] - box[1] >= 1 ? box : null;
}

/** The box moved by (dx, dy) and made larger by (dw, dh), held on the slice. */
export function nudge([x0, y0, x1, y1], { dx = 0, dy = 0, dw = 0, dh = 0 }, size) {
  const wide = Math.min(size.width, Math.max(1, x1 - x0 + dw));
  const high = Math.min(size.height, Math.max(1, y1 - y0 + dh));
  const left = Math.min(size.width - wide, Math.max(0, x0 + dx));
  const top = Math.min(size.height - high, Math.max(0, y0 + dy));
  return [left, top, left + wide, top + high];
}

/** The smallest of the items {box} that holds a source point, or null. */
export function hit(items, [x, y]) {
  const area = ({ box: [x0, y0, x1, y1] }) => (x1 - x0) * (y1 - y0);
  const holding = items.filter(({ box: [x0, y0, x1, y1] }) => x0 <= x && x <= x1 && y0 <= y && y <= y1);
  return holding.sort((a, b) => area(a) - area(b))[0] ?? null;
}
