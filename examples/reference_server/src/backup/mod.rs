//! `backup` and `restore-drill`: a copy that nobody has restored is a hope.

mod drill;
#[cfg(feature = "postgres")]
mod tools;

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::audit::{datetime, hex};
use crate::cli::say;
use crate::config::Config;
use crate::db::{Digests, Location, now, private_folder};

pub(crate) use drill::run as restore_drill;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// What a copy must be.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Manifest {
    pub(crate) created_at: String,
    pub(crate) kind: Kind,
    pub(crate) bytes: u64,
    pub(crate) sha256: String,
    pub(crate) tables: Digests,
    /// Who may do what with each table, at a server.
    pub(crate) protections: Vec<String>,
}

/// What a copy is of.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    Sqlite,
    Postgres,
}

/// Copies the database into a folder, with a manifest beside it.
///
/// # Errors
///
/// If the database cannot be read, or the folder cannot be written.
pub(crate) fn run(config: &Config, to: Option<&Path>, json: bool) -> Result<()> {
    config.database.must_be_there()?;
    let folder = to.map_or_else(|| folder(config), Path::to_owned);
    private_folder(&folder).map_err(|error| {
        let path = folder.display();
        format!("{path} cannot be used: {error}; name a folder of your own with --to")
    })?;
    let stamp = datetime(now()).replace([':', '-'], "");
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(async {
            let (kind, extension) = match &config.database {
                Location::Sqlite(_) => (Kind::Sqlite, "db"),
                #[cfg(feature = "postgres")]
                Location::Postgres(_) => (Kind::Postgres, "dump"),
            };
            let path = new_file(&folder, &stamp, extension)?;
            let (tables, protections) = match copy(config, &path).await {
                Ok(copied) => copied,
                Err(error) => {
                    fs::remove_file(&path)?;
                    return Err(error);
                }
            };
            let bytes = fs::metadata(&path)?.len();
            let manifest = Manifest {
                created_at: datetime(now()),
                kind,
                bytes,
                sha256: sha256(&path)?,
                tables,
                protections,
            };
            let mut file = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(manifest_of(&path))?;
            file.write_all(serde_json::to_string_pretty(&manifest)?.as_bytes())?;
            file.sync_all()?;
            let rows: i64 = manifest.tables.values().map(|table| table.rows).sum();
            say(&match json {
                true => {
                    json!({"file": path, "bytes": bytes, "sha256": manifest.sha256, "rows": rows})
                        .to_string()
                }
                false => format!(
                    "{}: {bytes} bytes, {rows} rows in {} tables",
                    path.display(),
                    manifest.tables.len()
                ),
            });
            Ok(())
        })
}

/// Makes a file that nobody else can read from the first byte on, with a name of its own:
/// somebody else may make a copy in the same second.
fn new_file(folder: &Path, stamp: &str, extension: &str) -> Result<PathBuf> {
    for number in 1..100 {
        let more = if number == 1 {
            String::new()
        } else {
            format!("-{number}")
        };
        let path = folder.join(format!("rampart-{stamp}{more}.{extension}"));
        let made = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path);
        match made {
            Ok(_) => return Ok(path),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(format!("{}: {error}", path.display()).into()),
        }
    }
    Err(format!("{} has too many copies of this second", folder.display()).into())
}

async fn copy(config: &Config, path: &Path) -> Result<(Digests, Vec<String>)> {
    match &config.database {
        Location::Sqlite(from) => {
            // As it is: a copy comes before the tables are changed.
            crate::db::copy_sqlite(from, path).await?;
            let (whole, tables) = crate::db::look_into_sqlite(path).await?;
            if whole != "ok" {
                return Err(format!("the database is damaged: {whole}").into());
            }
            Ok((tables, Vec::new()))
        }
        #[cfg(feature = "postgres")]
        Location::Postgres(_) => tools::dump(&config.backup, path).await,
    }
}

/// Where copies are, unless another place is named.
fn folder(config: &Config) -> PathBuf {
    config.data_dir.join("backups")
}

/// The manifest beside a copy.
fn manifest_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".manifest.json");
    name.into()
}

fn sha256(path: &Path) -> std::io::Result<String> {
    let (mut file, mut hash) = (File::open(path)?, Sha256::new());
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hex(&hash.finalize())),
            read => hash.update(&buffer[..read]),
        }
    }
}
