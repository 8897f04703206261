//! Pictures as objects, in a folder or in a bucket. The database knows them by
//! key and never holds bytes.
//!
//! What comes in is a temporary object first. What is kept is named after its
//! content, so that the same picture is there once.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, TryStreamExt as _};
#[cfg(feature = "s3")]
use http::HeaderValue;
use object_store::buffered::BufWriter;
use object_store::local::LocalFileSystem;
use object_store::path::Path as Key;
use object_store::{
    Attribute, AttributeValue, Attributes, GetOptions, GetRange, ObjectMeta, ObjectStore,
    ObjectStoreExt as _, PutMode, PutOptions,
};
use tokio::io::AsyncWriteExt as _;
use uuid::Uuid;

use crate::db::private_folder;

/// Where temporary objects are, and where those that are kept.
pub(crate) const TEMPORARY: &str = "tmp";
pub(crate) const KEPT: &str = "blobs";

/// Where clients may write themselves, if the store is a bucket.
pub(crate) const INCOMING: &str = "incoming";

/// Where objects are.
#[derive(Clone)]
pub(crate) enum Storage {
    /// In a folder of this machine.
    Folder(PathBuf),
    /// In a bucket, below a prefix.
    #[cfg(feature = "s3")]
    Bucket {
        name: String,
        prefix: String,
        /// How to reach it: the `AWS_…` settings. Never printed.
        settings: Vec<(String, String)>,
    },
}

impl fmt::Display for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => path.display().fmt(f),
            #[cfg(feature = "s3")]
            Self::Bucket { name, prefix, .. } => write!(f, "s3://{name}/{prefix}"),
        }
    }
}

impl fmt::Debug for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The object store.
#[derive(Clone, Debug)]
pub(crate) struct Objects {
    store: Arc<dyn ObjectStore>,
    /// How many bytes of a new object wait in memory.
    buffer: usize,
    /// Whether the store writes down what an object is; a folder has no place for it.
    describes: bool,
    #[cfg(feature = "s3")]
    pub(crate) direct: Option<crate::direct::Bucket>,
}

impl Objects {
    /// Opens the store.
    ///
    /// # Errors
    ///
    /// If a folder cannot be created, or the settings of a bucket cannot be read.
    pub(crate) fn open(storage: &Storage) -> Result<Self, Box<dyn std::error::Error>> {
        match storage {
            Storage::Folder(folder) => {
                private_folder(folder)?;
                let store = LocalFileSystem::new_with_prefix(folder)?
                    .with_automatic_cleanup(true)
                    .with_fsync(true);
                Ok(Self {
                    store: Arc::new(store),
                    buffer: 1024 * 1024,
                    describes: false,
                    #[cfg(feature = "s3")]
                    direct: None,
                })
            }
            #[cfg(feature = "s3")]
            Storage::Bucket {
                name,
                prefix,
                settings,
            } => {
                let (store, direct) = crate::direct::Bucket::open(name, prefix, settings)?;
                Ok(Self {
                    store,
                    // The smallest part that is allowed.
                    buffer: 5 * 1024 * 1024,
                    describes: true,
                    direct: Some(direct),
                })
            }
        }
    }

    /// Starts a temporary object. Dropping it removes it.
    pub(crate) fn create(&self) -> Temporary {
        let now = Uuid::now_v7();
        let day = now
            .get_timestamp()
            .map_or(0, |time| time.to_unix().0 / 86_400);
        let key = Key::from(format!("{TEMPORARY}/{day}/{now}"));
        let upload = BufWriter::with_capacity(self.store.clone(), key.clone(), self.buffer);
        Temporary {
            objects: self.clone(),
            key,
            upload: Some(upload.with_max_concurrency(2)),
        }
    }

    /// Opens an object that somebody else has written: what it says it is, and
    /// what is in it; `None` if it is not there.
    ///
    /// # Errors
    ///
    /// If the store fails.
    #[cfg(feature = "s3")]
    pub(crate) async fn written(
        &self,
        key: &str,
    ) -> object_store::Result<Option<(HeaderValue, Body)>> {
        let found = match self.store.get(&Key::from(key)).await {
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            other => other?,
        };
        let kind = found.attributes.get(&Attribute::ContentType);
        let kind = kind.and_then(|kind| HeaderValue::from_str(kind).ok());
        let chunks = found
            .into_stream()
            .map(|chunk| chunk.map_err(std::io::Error::other));
        let unknown = HeaderValue::from_static("application/octet-stream");
        Ok(Some((kind.unwrap_or(unknown), Body::from_stream(chunks))))
    }

    /// Takes an object that somebody else has written as a temporary one.
    #[cfg(feature = "s3")]
    pub(crate) fn take(&self, key: &str) -> Temporary {
        Temporary {
            objects: self.clone(),
            key: Key::from(key),
            upload: None,
        }
    }

    /// Keeps an object under a key that says what is in it; it may be there.
    ///
    /// # Errors
    ///
    /// If the store fails.
    pub(crate) async fn keep(
        &self,
        key: &str,
        media_type: &'static str,
        bytes: Bytes,
    ) -> object_store::Result<()> {
        let (location, length) = (Key::from(key), bytes.len() as u64);
        let put = async |mode| {
            let kind = (Attribute::ContentType, AttributeValue::from(media_type));
            let options = PutOptions {
                mode,
                attributes: Attributes::from_iter(Some(kind).filter(|_| self.describes)),
                ..PutOptions::default()
            };
            self.store
                .put_opts(&location, bytes.clone().into(), options)
                .await
        };
        match put(PutMode::Create).await {
            Err(object_store::Error::AlreadyExists { .. }) => {}
            other => return other.map(drop),
        }
        // Somebody may have removed it meanwhile, or a power cut cut it short.
        match self.store.head(&location).await {
            Ok(found) if found.size == length => Ok(()),
            Ok(_) | Err(object_store::Error::NotFound { .. }) => {
                put(PutMode::Overwrite).await.map(drop)
            }
            Err(error) => Err(error),
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

    /// Lists what is below a folder and was last written before a time.
    pub(crate) fn older(
        &self,
        folder: &str,
        age: Duration,
    ) -> impl Stream<Item = object_store::Result<String>> + Unpin {
        let found = self.store.list(Some(&Key::from(folder)));
        let old = move |object: &ObjectMeta| {
            let written = std::time::SystemTime::from(object.last_modified);
            written.elapsed().is_ok_and(|elapsed| elapsed > age)
        };
        found
            .try_filter(move |object| std::future::ready(old(object)))
            .map_ok(|object| object.location.to_string())
    }

    /// Tells whether the store answers, and lets itself be read.
    ///
    /// # Errors
    ///
    /// If it does not.
    pub(crate) async fn check(&self) -> object_store::Result<()> {
        let mut found = self.store.list(Some(&Key::from(TEMPORARY)));
        found.try_next().await.map(drop)
    }
}

/// An object that is removed, unless something is made of it: when its writer is
/// dropped, whatever the reason, nothing stays behind.
#[derive(Debug)]
pub(crate) struct Temporary {
    objects: Objects,
    key: Key,
    /// `None` once the object is whole.
    upload: Option<BufWriter>,
}

impl Temporary {
    /// Adds bytes.
    ///
    /// # Errors
    ///
    /// If the store fails.
    pub(crate) async fn write(&mut self, bytes: Bytes) -> object_store::Result<()> {
        match &mut self.upload {
            Some(upload) => upload.put(bytes).await,
            None => Err(object_store::Error::NotImplemented {
                operation: "writing on".to_owned(),
                implementer: "a whole object".to_owned(),
            }),
        }
    }

    /// Completes the object: all of it is in the store then.
    ///
    /// # Errors
    ///
    /// If the store fails.
    pub(crate) async fn complete(&mut self) -> object_store::Result<()> {
        // A writer that could not end cannot be told to stop either; the parts
        // it leaves in a bucket end by the bucket's own rule.
        if let Some(mut upload) = self.upload.take() {
            let ended = upload.shutdown().await;
            ended.map_err(|error| object_store::Error::Generic {
                store: "upload",
                source: Box::new(error),
            })?;
        }
        Ok(())
    }

    /// Reads the whole object.
    ///
    /// # Errors
    ///
    /// If the store fails.
    pub(crate) async fn read(&mut self) -> object_store::Result<Bytes> {
        self.objects.store.get(&self.key).await?.bytes().await
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let (objects, key, upload) = (self.objects.clone(), self.key.clone(), self.upload.take());
        // At the end of the process the sweeper of the next one does it.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        runtime.spawn(async move {
            // Parts of an object in a bucket are kept until somebody says so.
            let aborted = match upload {
                Some(mut upload) => upload.abort().await,
                None => Ok(()),
            };
            if let Err(error) = aborted.and(objects.delete(key.as_ref()).await) {
                tracing::warn!(%error, %key, "a temporary object could not be removed yet");
            }
        });
    }
}
