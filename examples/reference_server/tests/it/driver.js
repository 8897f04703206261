// Moves two tabs of the page, and tells the test what became of them.

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
async function until(what, holds) {
  for (let i = 0; i < 600; i++) {
    if (holds()) return;
    await pause(50);
  }
  throw new Error(`never: ${what}`);
}
const post = (path, body) => fetch(path, {
  method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body ?? {}),
});
const at = (tab, id) => tab.document.getElementById(id);
const signedIn = (tab) => at(tab, "nav") && !at(tab, "nav").hidden;

async function drive() {
  const credentials = { email: "ann@example.com", password: "PASSWORD" };
  await post("/api/auth/register", credentials);
  const login = await post("/api/auth/login", credentials);
  if (!login.ok) throw new Error(`login: ${login.status}`);
  const tabs = [window.open("/#gallery"), window.open("/#sessions")];
  for (const tab of tabs) await until("a tab is signed in", () => tab.document && signedIn(tab));

  // Both tabs move on at once, without waiting for each other.
  const views = ["#sessions", "#account", "#gallery"];
  for (let round = 0; round < 40; round++) {
    for (const tab of tabs) tab.location.hash = views[round % views.length];
    await pause(400);
    for (const tab of tabs) {
      if (!signedIn(tab)) throw new Error(`round ${round}: ${at(tab, "notice").textContent}`);
    }
  }
  await pause(3000);
  const kept = tabs.map(signedIn);

  // Everybody has to sign in again: it is said why, and where one was is kept.
  for (const tab of tabs) tab.location.hash = "#account";
  await pause(1500);
  await fetch("/revoke", { method: "POST" });
  const told = [];
  for (const tab of tabs) {
    tab.location.hash = "#sessions";
    await until("a tab is signed out", () => !signedIn(tab) && at(tab, "notice").textContent);
    told.push(at(tab, "notice").textContent);
  }
  const [tab] = tabs;
  at(tab, "email").value = credentials.email;
  at(tab, "password").value = credentials.password;
  at(tab, "sign-in").requestSubmit();
  await until("the tab is signed in again", () => signedIn(tab));
  await until("the sessions are shown", () => at(tab, "sessions")?.childElementCount > 0);
  const stored = tabs.map((tab) => tab.localStorage.length + tab.sessionStorage.length);
  return { kept, told, back: tab.location.hash, stored };
}
drive().catch((error) => ({ error: String(error) })).then((result) => post("/result", result));
