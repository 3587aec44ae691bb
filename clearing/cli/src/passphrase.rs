//! Passphrases of authorities' keys: from a file, from a command, or typed by somebody who is not shown what they type.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use clap::Args;
use clearing::config::PassphraseSettings;
use clearing_certs::{Passphrase, SecretError, read_private};
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::material::too_wide;
use crate::output::Output;

/// Of a key that is there.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "The key is encrypted")]
pub struct PassphraseFlags {
    /// The file whose first line is the passphrase of the key; it must be its owner's alone.
    #[arg(long, value_name = "FILE", conflicts_with = "passphrase_command")]
    passphrase_file: Option<PathBuf>,
    /// The command of a shell whose first line is the passphrase of the key, such as 'pass show coalition/root'.
    #[arg(long, value_name = "COMMAND")]
    passphrase_command: Option<String>,
}

/// Of a key that is to be encrypted.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Encrypt the key")]
pub struct NewPassphraseFlags {
    /// The file whose first line is the passphrase that the key gets; it must be its owner's alone.
    #[arg(long, value_name = "FILE", conflicts_with = "new_passphrase_command")]
    new_passphrase_file: Option<PathBuf>,
    /// The command of a shell whose first line is the passphrase that the key gets.
    #[arg(long, value_name = "COMMAND")]
    new_passphrase_command: Option<String>,
}

/// Where a passphrase comes from, if somebody said so.
pub enum Source<'a> {
    File(&'a Path),
    Command(&'a str),
    Asked,
}

impl<'a> Source<'a> {
    /// The one that is given, or whoever sits at the terminal.
    pub fn of(file: Option<&'a Path>, command: Option<&'a str>) -> Self {
        match (file, command) {
            (Some(file), _) => Self::File(file),
            (None, Some(command)) => Self::Command(command),
            (None, None) => Self::Asked,
        }
    }

    /// The first line; none if nobody said where it is and nobody can be asked, or they answered nothing.
    ///
    /// # Errors
    /// A file that cannot be read or is not its owner's alone, a command that fails, an empty line.
    fn read(&self, output: Output, question: &str) -> Result<Option<Passphrase>, Failure> {
        match self {
            Self::Asked if output.is_dialogue() => Ok(Passphrase::new(output.ask_hidden(question))),
            Self::File(_) | Self::Command(_) | Self::Asked => self.read_unasked(Stdio::inherit()),
        }
    }

    /// The same, where nobody is asked.
    ///
    /// # Errors
    /// See [`Self::read`].
    fn read_unasked(&self, stdin: Stdio) -> Result<Option<Passphrase>, Failure> {
        let text = match self {
            Self::File(path) => read_private(path).map_err(|error| match error {
                SecretError::Unreadable { .. } => Failure::usage(&error).hint("name a file that is there"),
                SecretError::Wide { .. } => too_wide("", &error, path),
            })?,
            Self::Command(command) => said_by(command, stdin)?,
            Self::Asked => return Ok(None),
        };
        let first = Zeroizing::new(text.lines().next().unwrap_or_default().to_owned());
        let empty = || {
            Failure::usage("the passphrase is empty").hint("its first line is the passphrase: at least one character")
        };
        Passphrase::new(first).map(Some).ok_or_else(empty)
    }
}

impl PassphraseFlags {
    /// The passphrase of a key; none if there is none to be had.
    ///
    /// # Errors
    /// See [`Source::read`].
    pub fn read(&self, output: Output, whose: &str) -> Result<Option<Passphrase>, Failure> {
        let source = Source::of(self.passphrase_file.as_deref(), self.passphrase_command.as_deref());
        source.read(output, &format!("Passphrase of the {whose}'s key:"))
    }

    /// Whether somebody said where it is.
    pub fn is_given(&self) -> bool {
        self.passphrase_file.is_some() || self.passphrase_command.is_some()
    }
}

/// The passphrase that the configuration tells; none if it tells none. Nobody is asked.
///
/// # Errors
/// A file that cannot be read or is not its owner's alone, a command that fails, an empty line.
pub fn configured(settings: &PassphraseSettings) -> Result<Option<Passphrase>, Failure> {
    Source::of(settings.file.as_deref(), settings.command.as_deref()).read_unasked(Stdio::null())
}

impl NewPassphraseFlags {
    /// The passphrase that a key gets, typed twice where it is typed; none if nobody gave one.
    ///
    /// # Errors
    /// See [`Source::read`]; two that are not the same.
    pub fn read(&self, output: Output, whose: &str) -> Result<Option<Passphrase>, Failure> {
        chosen(Source::of(self.new_passphrase_file.as_deref(), self.new_passphrase_command.as_deref()), output, whose)
    }
}

/// A passphrase that a key gets, typed twice where it is typed; none if nobody gave one.
///
/// # Errors
/// See [`Source::read`]; two that are not the same.
pub fn chosen(source: Source<'_>, output: Output, whose: &str) -> Result<Option<Passphrase>, Failure> {
    let question = format!("A passphrase for the {whose}'s key (empty: it is not encrypted):");
    let Some(first) = source.read(output, &question)? else { return Ok(None) };
    let typed = matches!(source, Source::Asked);
    if typed && Passphrase::new(output.ask_hidden("The same once more:")).as_ref() != Some(&first) {
        return Err(Failure::usage("the two passphrases are not the same").hint("say the command again"));
    }
    Ok(Some(first))
}

/// How long a command may take that is to tell a passphrase: whoever waits for it hears nothing else.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a command of a shell prints. What it has to say besides goes to the terminal. The command itself may be a secret, and is not
/// told.
fn said_by(command: &str, stdin: Stdio) -> Result<Zeroizing<String>, Failure> {
    let failed = |why: String| {
        Failure::usage(format!("the command for the passphrase failed: {why}"))
            .hint("type it in a shell of this user: its first line is to be the passphrase")
    };
    let run = Command::new("sh").arg("-c").arg(command).stdin(stdin).stdout(Stdio::piped()).spawn();
    let mut child = run.map_err(|error| failed(error.to_string()))?;
    let mut stdout = child.stdout.take().expect("it is piped");
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        let mut said = Zeroizing::new(Vec::new());
        let read = stdout.read_to_end(&mut said).map(|_| said);
        // Nobody waits any more if it took too long.
        let _ = tell.send(read);
    });
    let Ok(said) = told.recv_timeout(PATIENCE) else {
        let _ = child.kill().and_then(|()| child.wait());
        return Err(failed(format!("it did not end within {} seconds", PATIENCE.as_secs())));
    };
    let (said, status) = said.and_then(|said| Ok((said, child.wait()?))).map_err(|error| failed(error.to_string()))?;
    if !status.success() {
        return Err(failed(status.to_string()));
    }
    let text = std::str::from_utf8(&said).map_err(|_| failed("what it printed is not UTF-8".to_owned()))?;
    Ok(Zeroizing::new(text.to_owned()))
}
