// Elements from plain data. Text is only ever set as text, so that no name can become markup.

export const byId = (id) => document.getElementById(id);

/** Make an element: `properties` are set as properties, those with a dash or of SVG as attributes. */
export function make(tag, properties = {}, ...children) {
  return fill(document.createElement(tag), properties, children);
}

export function makeSvg(tag, properties = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), properties, children);
}

function fill(element, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null) continue;
    if (name in element && !(element instanceof SVGElement)) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

/** Replace what an element holds only where it would look different: a reader's place and focus stay. */
export function show(element, ...children) {
  const next = make("div", {}, ...children);
  if (next.innerHTML === element.dataset.shown) return false;
  element.dataset.shown = next.innerHTML;
  const focused = element.contains(document.activeElement) ? document.activeElement.dataset.focus : null;
  element.replaceChildren(...next.childNodes);
  if (focused) element.querySelector(`[data-focus="${CSS.escape(focused)}"]`)?.focus();
  return true;
}

export const theme = () => (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");

export const onThemeChange = (act) =>
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", act);
