// Making elements. Text is always set as text; `setHtml` alone takes markup, and only what the server has rendered.

export function el(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in element) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

export function button(text, onclick, properties = {}) {
  return el("button", { type: "button", className: "quiet", textContent: text, onclick, ...properties });
}

// An element of a drawing; its attributes are no properties.
export function svg(tag, attributes, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

export const byId = (id) => document.getElementById(id);

export function setHtml(element, rendered) {
  element.innerHTML = rendered;
}

// All text nodes below `root` that a reader sees as running text.
export function textNodes(root, passOver = "") {
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  const found = [];
  while (walker.nextNode()) {
    const node = walker.currentNode;
    if (!passOver || !node.parentElement.closest(passOver)) found.push(node);
  }
  return found;
}

// Marks the first place below `root` that reads `text`, whatever its white space; false where there is none.
export function mark(root, text, className) {
  const wanted = text.replace(/\s+/g, "");
  const nodes = textNodes(root);
  const places = [];
  let all = "";
  nodes.forEach((node, at) => {
    for (let offset = 0; offset < node.data.length; offset++) {
      if (/\s/.test(node.data[offset])) continue;
      all += node.data[offset];
      places.push([at, offset]);
    }
  });
  const begin = wanted ? all.indexOf(wanted) : -1;
  if (begin < 0) return false;
  const [first, from] = places[begin];
  const [last, to] = places[begin + wanted.length - 1];
  for (let at = last; at >= first; at--) {
    wrap(nodes[at], at === first ? from : 0, at === last ? to + 1 : nodes[at].data.length, className);
  }
  return true;
}

function wrap(node, from, to, className) {
  const formula = node.parentElement.closest("math");
  if (formula) {
    // Only elements of MathML may stand in a formula: it is marked as a whole.
    formula.classList.add(className);
    return;
  }
  if (from === to || !node.data.slice(from, to).trim()) return;
  const range = document.createRange();
  range.setStart(node, from);
  range.setEnd(node, to);
  range.surroundContents(el("mark", { className }));
}
