// Elements from data. Text is only ever set as text, so nothing that a file, a model or a server says is markup.

/** An element: `props` may have class, text, on {event: listener}, data {}, and attributes; children follow. */
export function el(tag, props = {}, ...children) {
  const made = document.createElement(tag);
  const { class: names, text, on = {}, data = {}, ...attributes } = props;
  if (names) made.className = names;
  if (text !== undefined) made.textContent = text;
  for (const [event, listener] of Object.entries(on)) made.addEventListener(event, listener);
  Object.assign(made.dataset, data);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

/** The element with that id. */
export const $ = (id) => document.getElementById(id);

/** Tells a screen reader. */
export function say(text) {
  $("live").textContent = text;
}

/** Gives a file to the user under a name. */
export function save(blob, name) {
  const link = el("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

/** A button. */
export const button = (text, click, props = {}) => el("button", { type: "button", text, on: { click }, ...props });
