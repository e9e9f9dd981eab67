// What is painted on a viewer's canvas: the slice, boxes with their names, a marked box, sides and facts.
// Knows colours and a 2D context; knows no event and no server.

import { boxToScreen } from "./geometry.js";

export const COLOURS = ["#ffb020", "#4cc3ff", "#7ddc6f", "#ff7ab8", "#c79bff", "#ff8a5c"];
const MARK = "#ffffff";

/** The colour of an evidence name: the same in every claim and on every image. */
export const colourOf = (name) => COLOURS[(Number(/\d+/.exec(name)?.[0] ?? 1) - 1) % COLOURS.length];

/** Paints everything. `scene` has view {width, height}, ratio, picture, place {transform, aspect, size},
 *  boxes [{id, label, box, cited}], lit (Set), mark, outline, sides, corner (text). */
export function drawScene(context, scene) {
  const { view, ratio, picture, place } = scene;
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.fillStyle = "#000";
  context.fillRect(0, 0, view.width, view.height);
  if (picture) drawPicture(context, picture, place);
  const anyLit = scene.boxes.some((item) => scene.lit.has(item.id));
  for (const item of scene.boxes) {
    const lit = scene.lit.has(item.id);
    drawBox(context, place, item, { lit, faint: anyLit && !lit });
  }
  if (scene.outline) drawRectangle(context, place, scene.outline, { colour: MARK, dash: [2, 4], width: 1.5 });
  if (scene.mark) drawRectangle(context, place, scene.mark, { colour: MARK, dash: [7, 4], width: 2, fill: 0.08 });
  drawWords(context, scene);
}

function drawPicture(context, canvas, { transform, aspect, size }) {
  // enlarged pixels stay what they are; a picture made smaller is smoothed
  context.imageSmoothingEnabled = transform.scale < 2;
  context.imageSmoothingQuality = "high";
  const wide = size.width * aspect.x * transform.scale;
  context.drawImage(canvas, transform.x, transform.y, wide, size.height * aspect.y * transform.scale);
}

function drawBox(context, place, item, { lit, faint }) {
  const colour = colourOf(item.id);
  context.globalAlpha = faint ? 0.45 : 1;
  const style = { colour, width: lit ? 3 : 2, dash: item.cited ? [] : [5, 4], fill: lit ? 0.16 : 0 };
  const [x0, y0, , y1] = drawRectangle(context, place, item.box, style);
  drawTag(context, lit ? `${item.id} ${item.label}` : item.id, x0, y0, y1, colour);
  context.globalAlpha = 1;
}

function drawRectangle(context, { transform, aspect }, box, { colour, width, dash, fill = 0 }) {
  const [x0, y0, x1, y1] = boxToScreen(transform, aspect, box);
  if (fill) {
    context.save();
    context.globalAlpha *= fill;
    context.fillStyle = colour;
    context.fillRect(x0, y0, x1 - x0, y1 - y0);
    context.restore();
  }
  // a dark line below keeps the box visible on white bone
  for (const [style, wide, dashes] of [["rgba(0,0,0,.65)", width + 2, []], [colour, width, dash]]) {
    context.strokeStyle = style;
    context.lineWidth = wide;
    context.setLineDash(dashes);
    context.strokeRect(x0, y0, x1 - x0, y1 - y0);
  }
  context.setLineDash([]);
  return [x0, y0, x1, y1];
}

function drawTag(context, words, x, y0, y1, colour) {
  const text = words.length > 40 ? `${words.slice(0, 39)}…` : words;
  context.font = "600 12px system-ui, sans-serif";
  const wide = context.measureText(text).width + 8;
  const top = y0 >= 19 ? y0 - 19 : y1 + 3;
  context.fillStyle = colour;
  context.fillRect(x - 1, top, wide, 16);
  context.fillStyle = "#101214";
  context.textBaseline = "middle";
  context.textAlign = "left";
  context.fillText(text, x + 3, top + 8.5);
}

function drawWords(context, { view, sides, corner, readout }) {
  context.font = "12px ui-monospace, Menlo, Consolas, monospace";
  const write = (text, x, y, align, base) => {
    [context.textAlign, context.textBaseline] = [align, base];
    context.lineWidth = 3;
    context.strokeStyle = "rgba(0,0,0,.8)";
    context.strokeText(text, x, y);
    context.fillStyle = "#d7dade";
    context.fillText(text, x, y);
  };
  corner.forEach((line, i) => write(line, 10, 26 + 16 * i, "left", "top"));
  if (readout) write(readout, 10, view.height - 10, "left", "bottom");
  if (!sides) return;
  const [left, top, right, bottom] = sides;
  write(left, 10, view.height / 2, "left", "middle");
  write(right, view.width - 10, view.height / 2, "right", "middle");
  write(top, view.width / 2, 10, "center", "top");
  write(bottom, view.width / 2, view.height - 10, "center", "bottom");
}
