// The gallery: uploads with progress, and the pictures.

import { call, megabytes, picture, upload } from "./api.js";
import { $, element } from "./dom.js";

let cursor = null;

/** Wires the controls once. `guard` runs an action and handles refusals. */
export async function prepare(guard) {
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
  $("pictures").replaceChildren();
  await more();
}

async function more() {
  const query = cursor ? `?cursor=${encodeURIComponent(cursor)}` : "";
  const page = await call("GET", `/api/images${query}`);
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
  const shown = element("img", { alt: title, width: image.width, height: image.height });
  picture(image.url).then((source) => { shown.src = source; }, () => { shown.alt = `${title} (cannot be shown)`; });
  const remove = element("button", { type: "button", className: "quiet", textContent: "Delete" });
  remove.setAttribute("aria-label", `Delete ${title}`);
  const item = element("li", {}, element("figure", {}, shown,
    element("figcaption", {}, title, element("span", {
      className: "hint",
      textContent: `${image.width} × ${image.height}, ${megabytes(image.bytes)}`,
    }), remove)));
  remove.addEventListener("click", async () => {
    remove.disabled = true;
    try {
      await call("DELETE", `/api/images/${image.id}`);
      URL.revokeObjectURL(shown.src);
      item.remove();
      noteEmpty();
    } catch (refused) {
      remove.disabled = false;
      $("notice").textContent = refused.message;
    }
  });
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
