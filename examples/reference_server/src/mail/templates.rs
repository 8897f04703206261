//! The texts. Short lines of ASCII, so that no encoding breaks a link.

/// Brings a token to whoever asked for it.
pub(crate) const PASSWORD_RESET: &str = "password-reset";
/// Brings a token to somebody whose password an operator took away.
pub(crate) const SET_A_NEW_PASSWORD: &str = "set-a-new-password";
/// Tells that the password is another one now.
pub(crate) const PASSWORD_CHANGED: &str = "password-changed";

/// Tells why one has to sign in again, and claims nothing else.
pub(crate) const SIGNED_OUT: &str = "signed-out";

/// Those that `incident notify` sends: the name, the subject, the text.
const ABOUT_INCIDENTS: &[(&str, &str, &str)] = &[
    (
        "breach",
        "Please set a new password",
        "Somebody may have read data of this service, including your mail\n\
         address and the protected form of your password. Passwords are stored\n\
         so that they cannot be read, but weak ones can be guessed.\n\n\
         What you can do: set a new password now. Go to\n\n    {url}/\n\n\
         and choose \"Forgot password\". If you used the old one elsewhere, change\n\
         it there too.\n\n\
         You may find that you are signed out, and that the old password does not\n\
         work any more: that is to protect you.\n",
    ),
    (
        SIGNED_OUT,
        "Please sign in again",
        "For everybody's safety we end sessions of this service. If you are asked\n\
         to sign in again, that is why; your password stays as it is.\n\n\
         What you can do: go to\n\n    {url}/\n\n\
         and sign in again. Nothing of yours was lost.\n",
    ),
    (
        "all-clear",
        "The incident is over",
        "The incident that we wrote to you about is over. The service works as\n\
         before:\n\n    {url}/\n\n\
         Thank you for your patience.\n",
    ),
];

/// Tells whether a template is one that may go to everybody.
pub(crate) fn is_about_incidents(name: &str) -> bool {
    ABOUT_INCIDENTS.iter().any(|(known, ..)| *known == name)
}

/// The names of those.
pub(crate) fn names_about_incidents() -> Vec<&'static str> {
    ABOUT_INCIDENTS.iter().map(|(name, ..)| *name).collect()
}

/// Writes a mail: its subject and its text. `None` if there is no such template.
pub(super) fn write(name: &str, url: &str, token: Option<&str>) -> Option<(&'static str, String)> {
    let link = token
        .map(|token| format!("{url}/#reset?token={token}"))
        .unwrap_or_default();
    let (subject, text) = match name {
        PASSWORD_RESET => (
            "Set a new password",
            "Somebody, hopefully you, asked for a new password. Set it here:\n\n    {link}\n\n\
             The link works once, for 30 minutes. If it was not you, ignore this\n\
             mail: nothing was changed.\n",
        ),
        SET_A_NEW_PASSWORD => (
            "Please set a new password",
            "To protect your account we ask you to set a new password. The old one\n\
             does not work any more, and all sessions were ended. Set it here:\n\n    {link}\n\n\
             The link works once, for one day. After that, choose \"Forgot password\"\n\
             on the page to get another one.\n",
        ),
        PASSWORD_CHANGED => (
            "Your password was changed",
            "The password of your account was changed, and other sessions were ended.\n\n\
             If it was not you, set a new one at once: go to\n\n    {url}/\n\n\
             and choose \"Forgot password\".\n",
        ),
        other => ABOUT_INCIDENTS
            .iter()
            .find(|(name, ..)| *name == other)
            .map(|(_, subject, text)| (*subject, *text))?,
    };
    Some((subject, text.replace("{link}", &link).replace("{url}", url)))
}
