//! The settings of [`UploadLayer`].

use std::sync::Arc;
use std::time::Duration;

use super::error::{ConfigError, Problem};
use super::layer::UploadLayer;
use super::pace::Pace;
use super::rules::{Content, Field, FieldRule, FileRule, Rules, TextRule};
use crate::config::Problems;

/// Collects the settings of an [`UploadLayer`].
#[derive(Debug)]
#[must_use]
pub struct UploadLayerBuilder {
    rules: Rules,
    max_total_bytes: Option<u64>,
    /// Settings of forms that were called on a body that is one file.
    misplaced: Vec<&'static str>,
}

/// What boundaries, headers and small fields add to the files of a form.
const FORM_OVERHEAD: u64 = 64 * 1024;

impl UploadLayerBuilder {
    pub(super) fn new(content: Content) -> Self {
        let rules = Rules {
            content,
            max_total_bytes: 0,
            max_parts: 64,
            max_files: None,
            max_texts: None,
            pace: Pace::default(),
            require_length: false,
            sha256: false,
            canonical: false,
            log_only: false,
            respite: Duration::ZERO,
        };
        Self {
            rules,
            max_total_bytes: None,
            misplaced: Vec::new(),
        }
    }

    /// Adds a file field.
    pub fn file(self, name: impl Into<String>, rule: FileRule) -> Self {
        self.field(name.into(), FieldRule::File(rule))
    }

    /// Adds a text field.
    pub fn text(self, name: impl Into<String>, rule: TextRule) -> Self {
        self.field(name.into(), FieldRule::Text(rule))
    }

    fn field(mut self, name: String, rule: FieldRule) -> Self {
        match &mut self.rules.content {
            Content::Multipart(fields) => fields.push(Field { name, rule }),
            Content::Raw(_) => self.misplaced.push("file and text"),
        }
        self
    }

    fn of_forms(mut self, setting: &'static str) -> Self {
        if matches!(self.rules.content, Content::Raw(_)) {
            self.misplaced.push(setting);
        }
        self
    }

    /// Sets the size of the whole body, in bytes; by default what the fields
    /// may hold together, and 64 KiB for what is between them.
    pub fn max_total_bytes(mut self, bytes: u64) -> Self {
        self.max_total_bytes = Some(bytes);
        self.of_forms("max_total_bytes")
    }

    /// Sets how many parts a form may have; 64 by default.
    pub fn max_parts(mut self, parts: u32) -> Self {
        self.rules.max_parts = parts;
        self.of_forms("max_parts")
    }

    /// Sets how many files a form may have in all fields together; by default
    /// each field has its own limit only.
    pub fn max_files(mut self, files: u32) -> Self {
        self.rules.max_files = Some(files);
        self.of_forms("max_files")
    }

    /// Sets how many texts a form may have in all fields together; by default
    /// each field has its own limit only.
    pub fn max_texts(mut self, texts: u32) -> Self {
        self.rules.max_texts = Some(texts);
        self.of_forms("max_texts")
    }

    /// Computes the SHA-256 of each file while it passes, for
    /// [`UploadedFile::sha256`](super::UploadedFile::sha256).
    pub fn sha256(mut self) -> Self {
        self.rules.sha256 = true;
        self
    }

    /// Writes the headers of each part anew, with what was understood of them
    /// and nothing else, so that no parser behind the layer can understand
    /// something else. A body that is judged loses its `Content-Length`.
    pub fn canonical(mut self) -> Self {
        self.rules.canonical = true;
        self.of_forms("canonical")
    }

    /// Refuses nothing: tells the log and [`UploadReport`](super::UploadReport)
    /// what would have been refused, and passes every byte on as it came. To try
    /// rules on live traffic before they are enforced.
    ///
    /// Clients are not timed. A handler that goes by the verdict of the report
    /// refuses what it refuses.
    pub fn dangerous_log_only(mut self) -> Self {
        self.rules.log_only = true;
        self
    }

    /// Lets a handler go on for so long after its upload was refused: its body
    /// ends with an error, so that it can tidy up, and whatever it answers is
    /// replaced. By default it is dropped at once, and sees no error.
    pub fn respite(mut self, respite: Duration) -> Self {
        self.rules.respite = respite;
        self
    }

    /// Sets how long a client may be silent; 30 s by default. Time that the
    /// handler takes is not counted.
    pub fn idle(mut self, idle: Duration) -> Self {
        self.rules.pace.idle = idle;
        self
    }

    /// Sets how many bytes a second a client must send on average, and how long
    /// it may do worse in all; 240 and 10 s by default. Zero asks for no rate.
    /// Time that the handler takes is not counted.
    pub fn min_rate(mut self, bytes_per_second: u64, grace: Duration) -> Self {
        self.rules.pace.min_rate = bytes_per_second;
        self.rules.pace.grace = grace;
        self
    }

    /// Sets how long a client may be waited for in all; as long as the rate
    /// allows by default. Counted as for [`min_rate`](Self::min_rate).
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.rules.pace.deadline = Some(deadline);
        self
    }

    /// Refuses bodies without a declared length with 411.
    pub fn require_length(mut self) -> Self {
        self.rules.require_length = true;
        self
    }

    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// Every [`Problem`] found.
    pub fn build(self) -> Result<UploadLayer, ConfigError> {
        let mut rules = self.rules;
        let misplaced = self.misplaced.into_iter();
        let mut problems: Vec<_> = misplaced
            .map(|setting| Problem::FormsOnly { setting })
            .collect();
        rules.max_total_bytes = self
            .max_total_bytes
            .unwrap_or_else(|| default_total(&rules.content));
        for (setting, zero) in [
            ("max_total_bytes", rules.max_total_bytes == 0),
            ("max_parts", rules.max_parts == 0),
            ("max_files", rules.max_files == Some(0)),
            ("max_texts", rules.max_texts == Some(0)),
            ("idle", rules.pace.idle.is_zero()),
            // Nobody's first byte is there at once.
            (
                "min_rate, grace",
                rules.pace.min_rate > 0 && rules.pace.grace.is_zero(),
            ),
            (
                "deadline",
                rules
                    .pace
                    .deadline
                    .is_some_and(|deadline| deadline.is_zero()),
            ),
        ] {
            if zero {
                problems.push(Problem::Zero {
                    field: setting.to_owned(),
                });
            }
        }
        match &rules.content {
            Content::Raw(rule) => check_rule(
                "body",
                &FieldRule::File(rule.clone()),
                &rules,
                &mut problems,
            ),
            Content::Multipart(fields) => check_fields(fields, &rules, &mut problems),
        }
        for (setting, is_set) in [
            ("canonical", rules.canonical),
            ("respite", !rules.respite.is_zero()),
            ("deadline", rules.pace.deadline.is_some()),
        ] {
            if rules.log_only && is_set {
                problems.push(Problem::ChangesNothing { setting });
            }
        }
        Problems::check(problems, || UploadLayer::from_rules(Arc::new(rules)))
    }
}

fn default_total(content: &Content) -> u64 {
    match content {
        Content::Raw(rule) => rule.max_bytes,
        Content::Multipart(fields) => {
            fields
                .iter()
                .fold(FORM_OVERHEAD, |total, Field { rule, .. }| {
                    total.saturating_add(rule.max_bytes().saturating_mul(rule.max_count().into()))
                })
        }
    }
}

fn check_fields(fields: &[Field], rules: &Rules, problems: &mut Vec<Problem>) {
    if fields.is_empty() {
        problems.push(Problem::NoFields);
    }
    for (index, Field { name, rule }) in fields.iter().enumerate() {
        if fields[..index].iter().any(|earlier| earlier.name == *name) {
            problems.push(Problem::DuplicateField {
                field: name.clone(),
            });
        }
        let illegal = |c: char| c.is_control() || c == '"' || c == '\\';
        if name.is_empty() || name.len() > 100 || name.contains(illegal) || reads_as_parameter(name)
        {
            problems.push(Problem::FieldName {
                field: name.clone(),
            });
        }
        check_rule(name, rule, rules, problems);
    }
    check_counts(fields, rules, problems);
}

/// A field may ask for more parts, or may hold more, than a form may have.
fn check_counts(fields: &[Field], rules: &Rules, problems: &mut Vec<Problem>) {
    let is_file = |field: &&Field| matches!(field.rule, FieldRule::File(_));
    let files: Vec<_> = fields.iter().filter(is_file).collect();
    let texts: Vec<_> = fields.iter().filter(|field| !is_file(field)).collect();
    let all = fields.iter().collect();
    for (setting, limit, fields) in [
        ("max_parts", Some(rules.max_parts), all),
        ("max_files", rules.max_files, files),
        ("max_texts", rules.max_texts, texts),
    ] {
        let Some(limit) = limit.filter(|limit| *limit > 0) else {
            continue;
        };
        let required = fields.iter().filter(|field| field.rule.required()).count();
        let most = fields.iter().map(|field| field.rule.max_count()).max();
        let wanted = u32::try_from(required)
            .unwrap_or(u32::MAX)
            .max(most.unwrap_or(0));
        if wanted > limit {
            problems.push(Problem::CountAboveTotal {
                setting,
                limit,
                wanted,
            });
        }
    }
}

fn check_rule(field: &str, rule: &FieldRule, rules: &Rules, problems: &mut Vec<Problem>) {
    let field = field.to_owned();
    if rule.max_bytes() == 0 || rule.max_count() == 0 {
        problems.push(Problem::Zero {
            field: field.clone(),
        });
    }
    if rule.max_bytes() > rules.max_total_bytes {
        let (max_bytes, max_total_bytes) = (rule.max_bytes(), rules.max_total_bytes);
        problems.push(Problem::PartAboveTotal {
            field: field.clone(),
            max_bytes,
            max_total_bytes,
        });
    }
    let FieldRule::File(rule) = rule else { return };
    if rule.max_pixels == Some(0) {
        let field = format!("{field}, max_pixels");
        problems.push(Problem::Zero { field });
    }
    if rule.kinds.is_empty() {
        problems.push(Problem::NoKinds { field });
    } else if rule.max_pixels.is_some() && !rule.kinds.iter().any(|kind| kind.has_pixels()) {
        problems.push(Problem::NoPixels { field });
    }
}

/// A field name inside which some parsers would find the parameter itself.
fn reads_as_parameter(name: &str) -> bool {
    let mut words = name.split([' ', '\t', ';']).skip(1);
    words.any(|word| {
        word.to_ascii_lowercase().starts_with("name")
            || word.to_ascii_lowercase().starts_with("filename")
    })
}
