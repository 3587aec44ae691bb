//! What every command is given: where to print, and the configuration once somebody asks for it.

use std::path::{Path, PathBuf};

use clap::Args;
use clearing::config::{Config, ConfigError, Environment, Flag};

use crate::failure::Failure;
use crate::output::{Format, Output};
use crate::values;
use crate::waiting::Waiting;

/// Flags of every command.
#[derive(Debug, Args)]
#[command(next_help_heading = "Everywhere")]
pub struct Global {
    /// The configuration file. Left out: the one that CLEARING_CONFIG names, or clearing.toml in this folder.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Sets a key of the configuration, such as log.format=json; may be repeated.
    #[arg(long = "set", global = true, value_name = "KEY=VALUE", value_parser = key_value)]
    keys: Vec<(String, String)>,
    /// The house that is asked: https://HOST:PORT. The same as --set client.endpoint=...
    #[arg(long, global = true, value_name = "URL")]
    endpoint: Option<String>,
    /// For whom the answer is written.
    #[arg(long, global = true, value_enum, default_value_t)]
    output: Format,
    /// For how many columns tables are laid out. Left out: those of the terminal, and 80 where there is none.
    #[arg(long, global = true, value_name = "N", value_parser = |text: &str| values::between::<u16>(text, 40, 10_000))]
    columns: Option<u16>,
}

/// What every command is given.
#[derive(Debug)]
pub struct Context {
    /// Where to print.
    pub output: Output,
    /// What the command waits for.
    pub waiting: Waiting,
    file: Option<PathBuf>,
    /// The file is that of a folder that was named, and not named itself.
    in_folder: bool,
    flags: Vec<Flag>,
}

impl Context {
    /// From the flags of every command.
    pub fn new(global: Global) -> Self {
        let set = |(key, value): (String, String)| Flag { flag: format!("--set {key}"), key, value };
        let mut flags: Vec<_> = global.keys.into_iter().map(set).collect();
        if let Some(value) = global.endpoint {
            flags.push(Flag { flag: "--endpoint".to_owned(), key: "client.endpoint".to_owned(), value });
        }
        Self {
            output: Output::new(global.output, global.columns),
            waiting: Waiting::default(),
            file: global.config,
            in_folder: false,
            flags,
        }
    }

    /// The same with a key that a flag of one command sets.
    #[must_use]
    pub fn with(mut self, flag: &str, key: &str, value: Option<String>) -> Self {
        if let Some(value) = value {
            self.flags.push(Flag { flag: flag.to_owned(), key: key.to_owned(), value });
        }
        self
    }

    /// The same with the configuration file of the folder of --dir, unless somebody named one.
    #[must_use]
    pub fn or_file(mut self, file: &Path) -> Self {
        let named = self.file.is_some() || Environment::of_process().file().is_some();
        if !named {
            (self.file, self.in_folder) = (Some(file.to_owned()), true);
        }
        self
    }

    /// The configuration. Commands that need none work without one.
    ///
    /// # Errors
    /// Two flags that set one key, and whatever is wrong with the configuration.
    pub fn config(&self) -> Result<Config, Failure> {
        for (at, flag) in self.flags.iter().enumerate() {
            if let Some(other) = self.flags[..at].iter().find(|other| other.key == flag.key) {
                let what = format!("{} and {} both set {}", other.flag, flag.flag, flag.key);
                return Err(Failure::usage(what).hint("leave one of them out"));
            }
        }
        match Config::load(self.file.as_deref(), &Environment::of_process(), &self.flags) {
            Ok(config) => Ok(config),
            Err(ConfigError::Unreadable { path, source, .. }) if self.in_folder => {
                Err(ConfigError::Unreadable { named_by: "--dir names the folder of", path, source }.into())
            }
            Err(error) => Err(error.into()),
        }
    }
}

fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) => Ok((key.trim().to_owned(), value.trim().to_owned())),
        None => Err("KEY=VALUE, such as log.format=json".to_owned()),
    }
}
