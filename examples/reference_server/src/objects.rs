//! Pictures as objects. The database knows them by key and never holds bytes.

use std::path::Path;
use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use futures_util::StreamExt as _;
use object_store::buffered::BufWriter;
use object_store::local::LocalFileSystem;
use object_store::path::Path as Key;
use object_store::{GetOptions, GetRange, ObjectStore, ObjectStoreExt as _};
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncWriteExt as _;

use crate::db::private_folder;

/// How many bytes of a new object wait in memory.
const BUFFER: usize = 1024 * 1024;

/// How much of a picture's start is kept to read its size from.
const HEADER_BYTES: usize = 1024 * 1024;

/// The object store.
#[derive(Clone, Debug)]
pub(crate) struct Objects {
    store: Arc<dyn ObjectStore>,
}

/// What is known of a stored object.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) bytes: u64,
    pub sha256: String,
    /// The first bytes, enough to read a picture's size from.
    pub(crate) start: Vec<u8>,
}

impl Objects {
    /// Opens a folder as an object store.
    ///
    /// # Errors
    ///
    /// If the folder cannot be created.
    pub(crate) fn open(folder: &Path) -> Result<Self, Box<dyn std::error::Error>> {
        private_folder(folder)?;
        let store = LocalFileSystem::new_with_prefix(folder)?.with_automatic_cleanup(true);
        Ok(Self {
            store: Arc::new(store),
        })
    }

    /// Starts an object. Until it is finished there is nothing under the key,
    /// and a writer that is dropped leaves nothing behind.
    pub(crate) fn create(&self, key: &str) -> Writer {
        let upload = BufWriter::with_capacity(self.store.clone(), Key::from(key), BUFFER);
        Writer {
            upload,
            hash: Sha256::new(),
            bytes: 0,
            start: Vec::new(),
        }
    }

    /// Reads an object, or a part of it.
    ///
    /// # Errors
    ///
    /// If the store fails.
    pub(crate) async fn read(
        &self,
        key: &str,
        range: Option<(u64, u64)>,
    ) -> object_store::Result<Body> {
        let range = range.map(|(start, end)| GetRange::Bounded(start..end));
        let options = GetOptions {
            range,
            ..GetOptions::default()
        };
        let found = self.store.get_opts(&Key::from(key), options).await?;
        Ok(Body::from_stream(
            found
                .into_stream()
                .map(|chunk| chunk.map_err(std::io::Error::other)),
        ))
    }

    /// Removes an object; one that is not there is fine.
    ///
    /// # Errors
    ///
    /// If the store fails.
    pub(crate) async fn delete(&self, key: &str) -> object_store::Result<()> {
        match self.store.delete(&Key::from(key)).await {
            Err(object_store::Error::NotFound { .. }) => Ok(()),
            other => other,
        }
    }
}

/// Writes an object as its bytes come in.
#[derive(Debug)]
pub(crate) struct Writer {
    upload: BufWriter,
    hash: Sha256,
    bytes: u64,
    start: Vec<u8>,
}

impl Writer {
    /// Adds bytes.
    ///
    /// # Errors
    ///
    /// If the store fails.
    pub(crate) async fn write(&mut self, bytes: Bytes) -> object_store::Result<()> {
        self.hash.update(&bytes);
        self.bytes += bytes.len() as u64;
        let wanted = HEADER_BYTES
            .saturating_sub(self.start.len())
            .min(bytes.len());
        self.start.extend_from_slice(&bytes[..wanted]);
        self.upload.put(bytes).await
    }

    /// Makes the object appear under its key.
    ///
    /// # Errors
    ///
    /// If the store fails.
    pub(crate) async fn finish(mut self) -> std::io::Result<Stored> {
        self.upload.shutdown().await?;
        let sha256 = self
            .hash
            .finalize()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        Ok(Stored {
            bytes: self.bytes,
            sha256,
            start: self.start,
        })
    }
}
