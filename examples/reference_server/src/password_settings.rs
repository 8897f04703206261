//! The settings about passwords.

use tower_rampart::password::{Blocklist, BreachFile, PasswordPolicy};

use crate::reader::Reader;

impl Reader<'_> {
    pub(crate) fn bcrypt_cost(&mut self, production: bool) -> Option<u8> {
        if self.settings.get("BCRYPT_COST").is_none() {
            if production {
                self.problem(
                    "BCRYPT_COST",
                    "is required in production; write a number from 10 to 15",
                );
            }
            return None;
        }
        let form = "write a number from 10 to 15";
        Some(self.parse("BCRYPT_COST", "12", form, |text| {
            text.parse().ok().filter(|cost| (10..=15).contains(cost))
        }))
    }

    pub(crate) fn password_policy(&mut self) -> PasswordPolicy {
        let form =
            "write a number from 8 to 256; NIST SP 800-63B-4 asks for 15 without a second factor";
        let policy = self.parse("PASSWORD_MIN_CHARS", "15", form, |text| {
            PasswordPolicy::with_min_chars(text.parse().ok()?).ok()
        });
        const NAME: &str = "PASSWORD_BLOCKLIST_FILE";
        let Some(path) = self.settings.get(NAME) else {
            return policy;
        };
        match std::fs::read_to_string(path) {
            Ok(text) => policy.blocklist(Blocklist::common().and(text.lines())),
            Err(error) => {
                let form = "write the path of a text file with a password on each line";
                self.problem(NAME, format!("{path} cannot be read ({error}); {form}"));
                policy
            }
        }
    }

    pub(crate) fn leaked_passwords(&mut self) -> Option<BreachFile> {
        const NAME: &str = "PASSWORD_BREACH_FILE";
        let path = self.settings.get(NAME)?;
        let found = BreachFile::open(path);
        found
            .map_err(|error| self.problem(NAME, format!("{path}: {error}; write the path of a list as the Pwned Passwords downloader makes it")))
            .ok()
    }
}
