// Does what people do on the page, and tells the test what they saw.

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
async function until(what, holds) {
  for (let i = 0; i < 400; i++) {
    if (holds()) return;
    await pause(50);
  }
  throw new Error(`never: ${what}; notice: ${at("notice")?.textContent}`);
}
const post = (path, body) => fetch(path, {
  method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body ?? {}),
});
let tab;
const at = (id) => tab.document.getElementById(id);
const type = (id, text) => { at(id).value = text; };
/** Whether a control can be seen: its view is there, and shown by the script. */
const shows = (id) => () => at(id) && !at(id).closest("section").hidden;
const says = (text) => () => at("notice").textContent.includes(text);
const press = (id, text) => {
  const button = [...at(id).querySelectorAll("button")].find((one) => one.textContent === text);
  if (!button) throw new Error(`no button ${text} in ${id}`);
  button.click();
};

async function signIn(email, password) {
  await until("the sign-in is shown", shows("email"));
  type("email", email);
  type("password", password);
  at("sign-in").requestSubmit();
}

async function drive() {
  tab = window.open("/");
  await until("the page is there", () => tab.document && shows("email")());

  // Somebody forgets a password.
  tab.location.hash = "#forgot";
  await until("the form is shown", shows("forgot-email"));
  type("forgot-email", "ann@example.com");
  at("forgot").requestSubmit();
  await until("a mail is promised", says("a mail with a link is on its way"));
  const link = await (await fetch("/mail")).text();
  tab.location.href = link;
  await until("the form is shown", shows("reset-password"));
  const address = tab.location.hash;
  type("reset-password", "short");
  at("reset").requestSubmit();
  await until("a reason is given", () => at("reset-problem").textContent);
  const weak = at("reset-problem").textContent;
  type("reset-password", "orange kettle parade");
  at("reset").requestSubmit();
  await until("it is set", says("The password is set"));
  await signIn("ann@example.com", "orange kettle parade");
  await until("the gallery is shown", shows("pictures"));
  const forPeople = at("nav-incidents").hidden;
  at("sign-out").click();
  await until("signed out", says("You are signed out"));

  // An administrator, who signed in some time ago.
  await signIn("admin@example.com", "PASSWORD");
  await until("the gallery is shown", shows("pictures"));
  await post("/stale");
  at("nav-incidents").click();
  await until("the password is asked for", () => at("prove").open);
  type("prove-password", "wrong wrong wrong wrong");
  at("prove-form").requestSubmit();
  await until("it was wrong", () => at("prove-problem").textContent);
  const wrong = at("prove-problem").textContent;
  type("prove-password", "PASSWORD");
  at("prove-form").requestSubmit();
  await until("the incidents are shown", () => at("users")?.childElementCount === 2);
  type("incident-title", "Something <b>odd</b>");
  at("open-incident").requestSubmit();
  await until("the incident is shown", () => at("switches")?.childElementCount > 0);
  const title = at("incident-name").textContent;
  const offers = (text) => () => [...at("switches").querySelectorAll("button")].some((one) => one.textContent === text);
  press("switches", "Refuse changes");
  await until("it is told", () => !at("read-only").hidden && offers("Allow changes")());
  press("switches", "Allow changes");
  await until("it is over", () => at("read-only").hidden);
  at("verify-audit").click();
  await until("the log was verified", () => at("audit-verdict").textContent);
  const verdict = at("audit-verdict").textContent.replace(/\d+/, "N");
  await until("it can be refused again", offers("Refuse changes"));
  press("switches", "Give the all-clear");
  await until("a word is asked for", () => at("confirm").open);
  type("confirm-word", "ALL CLEAR");
  at("confirm-form").requestSubmit();
  await until("everybody is written to", () => at("notice").textContent.startsWith("Give the all-clear"));
  const mailed = at("notice").textContent;
  await until("more can be done", offers("Sign everybody out"));
  press("switches", "Sign everybody out");
  await until("a word is asked for", () => at("confirm").open);
  type("confirm-word", "no");
  at("confirm-form").requestSubmit();
  await pause(300);
  const guarded = at("confirm").open;
  type("confirm-word", "EVERYBODY");
  at("confirm-form").requestSubmit();
  await until("the administrator is out too", shows("email"));
  const told = at("notice").textContent;
  const stored = tab.localStorage.length + tab.sessionStorage.length;
  return { address, weak, forPeople, wrong, title, verdict, mailed, guarded, told, stored };
}
drive().catch((error) => ({ error: String(error) })).then((result) => post("/result", result));
