// Questions that stop what is going on until they are answered.

import { call, Refused } from "./api.js";
import { $ } from "./dom.js";

/** Shows a dialog until `answer` is called; Escape means no. */
function ask(dialog, form, cancel, submit) {
  return new Promise((resolve) => {
    const answer = (value) => {
      form.onsubmit = cancel.onclick = dialog.onclose = null;
      dialog.close();
      form.reset();
      resolve(value);
    };
    form.onsubmit = (event) => {
      event.preventDefault();
      submit(answer);
    };
    cancel.onclick = () => answer(false);
    dialog.onclose = () => answer(false);
    dialog.showModal();
  });
}

/** Asks for the password again; true once it was right. */
export function proveAgain() {
  $("prove-problem").textContent = "";
  return ask($("prove"), $("prove-form"), $("prove-cancel"), async (answer) => {
    try {
      await call("POST", "/api/auth/reauth", { password: $("prove-password").value });
      answer(true);
    } catch (refused) {
      if (!(refused instanceof Refused)) throw refused;
      $("prove-problem").textContent =
        refused.code === "invalid_credentials" ? "This is not the password." : refused.message;
    }
  });
}

/** Asks to type a word before something that cannot be undone. */
export function confirmWith(word, title, text) {
  $("confirm-title").textContent = title;
  $("confirm-text").textContent = text;
  $("confirm-label").textContent = `Type ${word} to go on`;
  return ask($("confirm"), $("confirm-form"), $("confirm-cancel"), (answer) => {
    if ($("confirm-word").value.trim() === word) answer(true);
  });
}
