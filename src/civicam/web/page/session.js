// Who is signed in: the form to sign in with, an invitation, and signing out.

const find = (id) => document.getElementById(id);
const JSON_TYPE = { "Content-Type": "application/json" };
let waiting = null;
let me = null;

/** Asks the server to do something; what is wrong is an error with the server's own words. */
export async function post(path, body = {}) {
  const answer = await fetch(path, { method: "POST", headers: JSON_TYPE, body: JSON.stringify(body) });
  if (!answer.ok) throw Object.assign(new Error((await answer.json()).detail), { status: answer.status });
  return answer.status === 204 ? null : answer.json();
}

/** Like `fetch`; where nobody is signed in, somebody signs in first. */
export async function ask(path, options) {
  for (;;) {
    const answer = await fetch(path, options);
    if (answer.status !== 401) return answer;
    await signIn();
  }
}

function signIn() {
  waiting ??= new Promise((resolve) => {
    if (!invitation()) find("sign-in").showModal();  // who is invited signs in by coming
    find("sign-in").addEventListener("signed-in", () => { waiting = null; resolve(); }, { once: true });
  });
  return waiting;
}

async function entered() {
  find("sign-in").close();
  find("welcome").close();
  for (const field of document.querySelectorAll("#sign-in input, #welcome input")) field.value = "";
  find("sign-in").dispatchEvent(new Event("signed-in"));
  await tellWho();
}

/** Says who is signed in; where the city asks for nobody, there is nothing to say. */
export async function tellWho() {
  const answer = await fetch("/api/session");
  me = answer.ok ? await answer.json() : null;
  find("who").hidden = me === null;
  if (me === null) return;
  const roles = [...new Set(me.rights.map((right) => right.role))].join(", ");
  find("who-name").textContent = `${me.name} (${roles || "no role yet"})`;
}

function say(place, words) {
  find(place).textContent = words;
}

async function onSignIn(event) {
  event.preventDefault();
  say("sign-in-said", "");
  const said = { login: find("login").value, password: find("password").value, code: find("code").value };
  try {
    await post("/api/session", said);
    await entered();
  } catch (error) {
    say("sign-in-said", error.message);
    if (/code is needed/.test(error.message)) find("code").focus();
    else find("password").select();
  }
}

const hasPasskeys = () => window.PublicKeyCredential?.parseRequestOptionsFromJSON && !/^[\d.]+$|^\[/.test(location.hostname);

async function onProvider(path, place) {
  try {
    location.assign((await post(path)).address);
  } catch (error) {
    say(place, error.message);
  }
}

async function onPasskey() {
  say("sign-in-said", "");
  try {
    const { challenge, options } = await post("/api/passkey/offer");
    const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options);
    const credential = await navigator.credentials.get({ publicKey });
    await post("/api/passkey", { challenge, answer: credential.toJSON() });
    await entered();
  } catch (error) {
    say("sign-in-said", error.message);
  }
}

async function onAddPasskey() {
  say("who-said", "");
  try {
    const { challenge, options } = await post("/api/account/passkeys/offer");
    const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options);
    const credential = await navigator.credentials.create({ publicKey });
    await post("/api/account/passkeys", { challenge, answer: credential.toJSON() });
    say("who-said", "You can sign in with this passkey from now on.");
  } catch (error) {
    say("who-said", error.message);
  }
}

async function onSignOut() {
  await post("/api/session/end").catch((error) => say("who-name", error.message));
  location.reload();
}

// --- coming in for the first time

const invitation = () => new URLSearchParams(location.hash.slice(1)).get("invitation");

async function welcome() {
  if (!invitation()) return;
  find("welcome").showModal();
  await openInvitation();
}

async function openInvitation() {
  say("welcome-said", "");
  try {
    const found = await post("/api/invitation", { invitation: invitation(), invitation_code: find("told-code").value });
    find("open-invitation").hidden = true;
    find("come").hidden = false;
    say("welcome-name", `${found.name}, you sign in as ${found.login}.`);
    say("welcome-secret", found.secret.match(/.{1,4}/g).join(" "));
    find("welcome-picture").src = URL.createObjectURL(new Blob([found.picture], { type: "image/svg+xml" }));
  } catch (error) {
    const isAsked = /a code is needed|the code is wrong/.test(error.message);
    find("open-invitation").hidden = !isAsked;
    if (isAsked) find("told-code").focus();
    say("welcome-said", /a code is needed/.test(error.message) ? "" : error.message);
  }
}

async function onCome(event) {
  event.preventDefault();
  say("welcome-said", "");
  if (find("new-password").value !== find("again-password").value) {
    say("welcome-said", "The two passwords are not the same.");
    return;
  }
  const said = {
    invitation: invitation(),
    invitation_code: find("told-code").value,
    password: find("new-password").value,
    code: find("new-code").value,
  };
  try {
    const { codes } = await post("/api/invitation/accept", said);
    history.replaceState(null, "", location.pathname);
    find("come").hidden = true;
    find("recovery").hidden = false;
    find("recovery-codes").replaceChildren(...codes.map((code) => Object.assign(document.createElement("li"), { textContent: code })));
    find("recovery-done").focus();
  } catch (error) {
    say("welcome-said", error.message);
  }
}

find("open-invitation").addEventListener("submit", (event) => {
  event.preventDefault();
  openInvitation();
});
find("sign-in-form").addEventListener("submit", onSignIn);
find("sign-in").addEventListener("cancel", (event) => event.preventDefault());
find("welcome").addEventListener("cancel", (event) => event.preventDefault());
for (const button of ["use-passkey", "add-passkey"]) find(button).hidden = !hasPasskeys();
async function tellWays() {
  const answer = await fetch("/api/sign-in");
  const hasProvider = answer.ok && (await answer.json()).elsewhere;
  for (const button of ["use-provider", "link-provider"]) find(button).hidden = !hasProvider;
}

find("use-provider").addEventListener("click", () => onProvider("/api/provider/begin", "sign-in-said"));
find("link-provider").addEventListener("click", () => onProvider("/api/account/provider/begin", "who-said"));
find("use-passkey").addEventListener("click", onPasskey);
find("add-passkey").addEventListener("click", onAddPasskey);
find("sign-out").addEventListener("click", onSignOut);
find("come").addEventListener("submit", onCome);
find("recovery-done").addEventListener("click", entered);
welcome();
tellWays();
tellWho();
