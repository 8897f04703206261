// The elements of the page by their id, also while their view is not shown.

const elements = new Map([...document.querySelectorAll("[id]")].map((found) => [found.id, found]));

export const $ = (id) => elements.get(id);

/** Makes an element with properties and children. */
export const element = (tag, properties = {}, ...children) => {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
};
