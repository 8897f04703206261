// The gallery: uploads with progress, and the pictures.

import { call, megabytes, picture, upload } from "./api.js";
import { $, element } from "./dom.js";

let cursor = null;
/** Counts the lists shown, so that a late page of an earlier one is dropped. */
let shown = 0;
let report = null;

/** Wires the controls once. `guard` runs an action and handles refusals. */
export async function prepare(guard) {
  report = guard;
  const drop = $("drop");
  for (const name of ["dragenter", "dragover"]) {
    drop.addEventListener(name, (event) => {
      event.preventDefault();
      drop.classList.add("over");
    });
  }
  for (const name of ["dragleave", "drop"]) {
    drop.addEventListener(name, () => drop.classList.remove("over"));
  }
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    send(event.dataTransfer.files, guard);
  });
  $("file").addEventListener("change", () => {
    send($("file").files, guard);
    $("upload").reset();
  });
  $("more").addEventListener("click", () => guard(more));

  const policy = await call("GET", "/.well-known/upload-policy");
  $("policy").textContent = `PNG, JPEG, WebP or GIF, up to ${megabytes(policy.max_bytes)} each.`;
}

/** Shows the list from its beginning. */
export async function show() {
  cursor = null;
  shown += 1;
  for (const image of $("pictures").querySelectorAll("img")) URL.revokeObjectURL(image.src);
  $("pictures").replaceChildren();
  await more();
}

async function more() {
  const list = shown;
  $("more").hidden = true;
  const query = cursor ? `?cursor=${encodeURIComponent(cursor)}` : "";
  const page = await call("GET", `/api/images${query}`);
  if (list !== shown) return;
  cursor = page.next_cursor;
  for (const image of page.items) $("pictures").append(card(image));
  $("more").hidden = cursor === null;
  noteEmpty();
}

function noteEmpty() {
  $("empty").hidden = $("pictures").children.length > 0;
}

function card(image) {
  const title = image.title || "Untitled";
  const view = element("img", { alt: title, width: image.width, height: image.height });
  picture(image.url).then((source) => { view.src = source; }, () => { view.alt = `${title} (cannot be shown)`; });
  const remove = element("button", { type: "button", className: "quiet", textContent: "Delete" });
  remove.setAttribute("aria-label", `Delete ${title}`);
  const item = element("li", {}, element("figure", {}, view,
    element("figcaption", {}, title, element("span", {
      className: "hint",
      textContent: `${image.width} × ${image.height}, ${megabytes(image.bytes)}`,
    }), remove)));
  remove.addEventListener("click", () => report(async () => {
    remove.disabled = true;
    try {
      await call("DELETE", `/api/images/${image.id}`);
      URL.revokeObjectURL(view.src);
      item.remove();
      noteEmpty();
    } finally {
      remove.disabled = false;
    }
  }));
  return item;
}

function send(files, guard) {
  for (const file of files) guard(() => sendOne(file));
}

async function sendOne(file) {
  const bar = element("progress", { max: 1, value: 0 });
  bar.setAttribute("aria-label", `Uploading ${file.name}`);
  const stop = element("button", { type: "button", className: "quiet", textContent: "Cancel" });
  stop.setAttribute("aria-label", `Cancel ${file.name}`);
  const problem = element("p", { className: "problem" });
  problem.setAttribute("role", "alert");
  const row = element("li", {}, element("span", { textContent: file.name }), stop, bar, problem);
  $("uploads").append(row);
  const running = upload(file, (share) => { bar.value = share; });
  stop.addEventListener("click", running.cancel);
  try {
    const image = await running.done;
    row.remove();
    $("pictures").prepend(card(image));
    noteEmpty();
    $("notice").textContent = `${file.name} is in the gallery.`;
  } catch (refused) {
    bar.remove();
    problem.textContent = refused.message;
    stop.textContent = "Dismiss";
    stop.setAttribute("aria-label", `Dismiss ${file.name}`);
    stop.addEventListener("click", () => row.remove());
    if (refused.status === 401) throw refused;
  }
}
