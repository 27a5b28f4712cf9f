//! The detectors and data files that this process knows: the library built into the binary, and a folder of the user's.
//!
//! A user's file with a new id is a new detector; one with an id of the library takes its place. Nothing here is in
//! force by itself: what is judged follows from the configuration rows in the lake (`configuration.rs`).

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use credwatch_schemas::ids::DetectorId;
use thiserror::Error;

use crate::data_file::{DataTable, InvalidDataFile};
use crate::definition::{Definition, InvalidDefinition};

include!(concat!(env!("OUT_DIR"), "/library.rs"));

/// Files by id or name, each with its whole content.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Registry {
    detectors: BTreeMap<DetectorId, String>,
    data: BTreeMap<String, String>,
}

#[derive(Debug, Error)]
pub enum RegistryError {
    #[error("read the detectors in \"{folder}\"")]
    Folder { folder: String, source: std::io::Error },
    #[error(transparent)]
    Definition(#[from] InvalidDefinition),
    #[error(transparent)]
    Data(#[from] InvalidDataFile),
}

impl Registry {
    /// The library that this build carries.
    pub fn embedded() -> Result<Self, RegistryError> {
        let mut registry = Self::default();
        for (name, content) in DATA_FILES {
            registry.add_data(name, content)?;
        }
        for (name, content) in DETECTOR_FILES {
            registry.add_detector(name, content)?;
        }
        Ok(registry)
    }

    /// Adds the `*.yaml` of a folder, and those of its subfolder `data`.
    pub fn with_folder(mut self, folder: &Path) -> Result<Self, RegistryError> {
        let data = folder.join("data");
        if data.is_dir() {
            for (name, content) in yaml_files(&data)? {
                self.add_data(&name, &content)?;
            }
        }
        for (name, content) in yaml_files(folder)? {
            self.add_detector(&name, &content)?;
        }
        Ok(self)
    }

    /// Adds one file under its id; refuses it with file and key if it is no detector.
    pub fn add_detector(&mut self, name: &str, content: &str) -> Result<(), RegistryError> {
        let definition = Definition::parse(name, content)?;
        self.detectors.insert(definition.id, content.to_owned());
        Ok(())
    }

    pub fn add_data(&mut self, name: &str, content: &str) -> Result<(), RegistryError> {
        DataTable::parse(name, content)?;
        self.data.insert(name.to_owned(), content.to_owned());
        Ok(())
    }

    /// Only this detector, with all data files.
    pub fn only(&self, id: &DetectorId) -> Self {
        let mut one = self.clone();
        one.detectors.retain(|known, _| known == id);
        one
    }

    pub fn detectors(&self) -> &BTreeMap<DetectorId, String> {
        &self.detectors
    }

    pub fn data(&self) -> &BTreeMap<String, String> {
        &self.data
    }
}

/// Name without ending, and content, sorted by name.
fn yaml_files(folder: &Path) -> Result<Vec<(String, String)>, RegistryError> {
    let failed = |source| RegistryError::Folder { folder: folder.display().to_string(), source };
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|ending| ending == "yaml" || ending == "yml") {
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            files.push((name, fs::read_to_string(&path).map_err(failed)?));
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::tests::SMALL;

    #[test]
    fn every_file_of_the_library_is_a_detector() {
        Registry::embedded().unwrap();
    }

    #[test]
    fn a_copy_under_another_id_in_the_users_folder_is_a_detector_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("my-host.yaml"), SMALL.replace("id: first-host", "id: my-host")).unwrap();
        let mut registry = Registry::default();
        registry.add_detector("first-host", SMALL).unwrap();
        let registry = registry.with_folder(folder.path()).unwrap();
        let ids: Vec<_> = registry.detectors().keys().map(DetectorId::as_str).collect();
        assert_eq!(ids, ["first-host", "my-host"]);
    }

    #[test]
    fn a_file_that_is_no_detector_is_named() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("broken.yaml"), "id: broken\n").unwrap();
        let said = Registry::default().with_folder(folder.path()).unwrap_err().to_string();
        assert!(said.contains("broken") && said.contains("title"), "{said}");
    }
}
