/** Building what stands in the page. */
const SVG = "http://www.w3.org/2000/svg";

/** An element with attributes and children (elements or texts); "svg:circle" is a circle of SVG. */
export function make(tag, attributes = {}, ...children) {
    const element = tag.startsWith("svg:")
        ? document.createElementNS(SVG, tag.slice(4))
        : document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
}

/** Loads "previews.css" of this folder into the page. */
export function addStylesheet(name) {
    document.head.append(make("link", {rel: "stylesheet", href: new URL(`./${name}`, import.meta.url).href}));
}
