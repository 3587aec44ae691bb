//! `clearing authority replace`: another root takes over, in steps each of which is said again where it was broken off.

use std::fs;
use std::path::{Path, PathBuf};

use clearing_certs::Authority;
use serde_json::json;

use super::{
    Authorities, CA_FILE, CA_KEY_FILE, Folder, HINT, PREVIOUS_ROOT_FILE, ROOT_FILE, ROOT_KEY_FILE, cover_of_the_next,
    lists_too, root_in_the_clear,
};
use crate::context::Context;
use crate::failure::Failure;
use crate::files::{Made, NewText, is_there, replace_all};
use crate::irrevocable::confirmed;
use crate::output::{Answer, Page};
use crate::passphrase::{NewPassphraseFlags, PassphraseFlags};
use crate::server_certificate;

pub(super) fn begin(context: &Context, folder: &Folder, new: &NewPassphraseFlags) -> Result<Answer, Failure> {
    let next = folder.next();
    if is_there(&folder.at(PREVIOUS_ROOT_FILE)) {
        return Err(Failure::usage("the last replacement is not finished").hint("clearing authority replace finish"));
    }
    let whole = [ROOT_FILE, CA_FILE, CA_KEY_FILE].iter().all(|name| is_there(&next.at(name)));
    if !whole {
        // What was broken off was trusted by nobody.
        if is_there(&next.0) {
            remove_folder(&next.0)?;
        }
        let domain = Authority::domain_of(&folder.read(CA_FILE)?)?;
        let issuing = cover_of_the_next(context, folder)?;
        let root = new.read(context.output, "next root")?;
        let mut made = Made::new();
        Authorities::make(&next.0, &domain, (root.as_ref(), issuing.as_ref()), &mut made)?;
        made.keep();
    }
    let files = trust(context, &folder.trusted()?)?;
    let where_is =
        |cert, key| Ok::<_, Failure>(next.told("next", cert, Some(key))?.map_or("not here", |told| told.key));
    let (root, issuing) = (where_is(ROOT_FILE, ROOT_KEY_FILE)?, where_is(CA_FILE, CA_KEY_FILE)?);
    let json = json!({ "folder": next.0, "root_key": root, "issuing_key": issuing, "trusted_in": files });
    let mut page = Page::new()
        .text(format!("The next root and its authority are in {}.", next.0.display()))
        .text(format!("Both roots are trusted by {}.", listed(&files)));
    if root == "in the clear" {
        page = page.text(root_in_the_clear(&next.at(ROOT_KEY_FILE)));
    }
    let page = page
        .text(format!("The key of its issuing authority: {issuing}."))
        .text("1. Copy what is trusted to every node, and send SIGHUP to each: it takes certificates of both then.")
        .text(
            "2. Let every partner renew, or give it the new ca.pem, before you go on. Open invites are of the old root: make them anew \
             after the switch.",
        )
        .next("clearing authority replace switch   (or abandon, as long as nobody has a certificate of the next one)");
    Ok(Answer::new(json, page))
}

fn remove_folder(folder: &Path) -> Result<(), Failure> {
    fs::remove_dir_all(folder).map_err(|error| Failure::file("cannot remove", folder, &error))
}

/// Gives a replacement up that has begun: the next root is trusted no more.
pub(super) fn abandon(context: &Context, folder: &Folder) -> Result<Answer, Failure> {
    let next = folder.next();
    if is_there(&folder.at(PREVIOUS_ROOT_FILE)) {
        return Err(Failure::usage("the next root has begun to take over").hint("clearing authority replace switch"));
    }
    if !is_there(&next.0) {
        return Err(Failure::usage("no replacement has begun").hint("clearing authority replace begin"));
    }
    let files = trust(context, &folder.trusted_with(&[])?)?;
    remove_folder(&next.0)?;
    let page = Page::new()
        .text(format!("The next root is gone, and not trusted any more by {}.", listed(&files)))
        .next("copy what is trusted to every node, and send SIGHUP to each");
    Ok(Answer::new(json!({ "trusted_in": files }), page))
}

/// Each part can be done again: what was broken off goes on when the step is said once more.
pub(super) fn switch(context: &Context, folder: &Folder) -> Result<Answer, Failure> {
    let next = folder.next();
    if is_there(&next.0) {
        take_over(folder, &next)?;
    } else if !is_there(&folder.at(PREVIOUS_ROOT_FILE)) {
        return Err(Failure::usage("no replacement has begun").hint("clearing authority replace begin"));
    }
    let trusted_in = trust(context, &folder.trusted()?)?;
    let issuing = folder.issuing(context, &PassphraseFlags::default())?;
    let server = server_certificate::replace(context, &issuing, &[], None)?;
    if is_there(&next.0) {
        remove_folder(&next.0)?;
    }
    let old = Authority::serial_of(&folder.read(PREVIOUS_ROOT_FILE)?)?;
    let root = Authority::serial_of(&folder.read(ROOT_FILE)?)?;
    let json = json!({ "root": root, "previous_root": old, "trusted_in": trusted_in, "server": server.json });
    let page = Page::new()
        .text(format!("The root {root} and its authority have taken over from {old}, which is still trusted."))
        .and(&server.page)
        .and(&lists_too(context)?)
        .text(format!(
            "1. Copy {}, {}, what is trusted and the server certificate to every node, and send SIGHUP to each.",
            folder.at(CA_FILE).display(),
            folder.at(CA_KEY_FILE).display()
        ))
        .text(
            "2. Renew every certificate that the old one issued: the partners', the operator's, the auditors'. Make open invites anew.",
        )
        .next("clearing authority replace finish   (when nobody uses one of the old root any more)");
    Ok(Answer::new(json, page))
}

/// Puts the next root and its authority in the place of the present ones. The root's certificate comes last: until then the present
/// root is known as such.
fn take_over(folder: &Folder, next: &Folder) -> Result<(), Failure> {
    let next_root = next.read(ROOT_FILE)?;
    if !is_there(&folder.at(PREVIOUS_ROOT_FILE)) {
        let old_root = folder.read(folder.own_root())?;
        let old = Authority::serial_of(&old_root)?;
        folder.retire(&old, &[ROOT_FILE, CA_FILE], &[ROOT_KEY_FILE, CA_KEY_FILE])?;
        replace_all(&[NewText::public(folder.at(PREVIOUS_ROOT_FILE), old_root)])?;
    }
    let mut files = Vec::new();
    match next.key_text(ROOT_KEY_FILE)? {
        Some(text) => files.push(NewText::secret(folder.at(ROOT_KEY_FILE), text)),
        // It may be away by now; that of the old root is in `former`.
        None if is_there(&folder.at(ROOT_KEY_FILE)) => fs::remove_file(folder.at(ROOT_KEY_FILE))
            .map_err(|error| Failure::file("cannot remove", &folder.at(ROOT_KEY_FILE), &error))?,
        None => {}
    }
    let gone = || Failure::usage(format!("{} is not there", next.at(CA_KEY_FILE).display())).hint(HINT);
    files.push(NewText::secret(folder.at(CA_KEY_FILE), next.key_text(CA_KEY_FILE)?.ok_or_else(gone)?));
    files.push(NewText::public(folder.at(CA_FILE), next.read(CA_FILE)?));
    files.push(NewText::public(folder.at(ROOT_FILE), next_root));
    replace_all(&files)
}

pub(super) fn finish(context: &Context, folder: &Folder, yes: bool) -> Result<Answer, Failure> {
    let previous = folder.at(PREVIOUS_ROOT_FILE);
    let is_last = is_there(&previous);
    if is_last && is_there(&folder.next().0) {
        return Err(Failure::usage("the next root has not taken over whole").hint("clearing authority replace switch"));
    }
    let trusted = folder.trusted_with(&[])?;
    // One that was broken off may have left the old root trusted.
    if !is_last && (is_there(&folder.next().0) || is_written(context, &trusted)?) {
        return Err(Failure::usage("no root is being replaced").hint("clearing authority replace begin, then switch"));
    }
    let old = if is_last { Some(Authority::serial_of(&folder.read(PREVIOUS_ROOT_FILE)?)?) } else { None };
    server_certificate::check_all_of(context, &trusted)?;
    let root = old.as_deref().unwrap_or("that was replaced");
    confirmed(yes, context.output, &format!("ends the trust in the root {root}: its certificates open no connection"))?;
    let files = trust(context, &trusted)?;
    if is_last {
        fs::remove_file(&previous).map_err(|error| Failure::file("cannot remove", &previous, &error))?;
    }
    let json = json!({ "previous_root": old, "trusted_in": files });
    let page = Page::new()
        .text(format!("The root {root} is not trusted any more by {}.", listed(&files)))
        .next("copy what is trusted to every node, send SIGHUP to each, and give the partners the new ca.pem");
    Ok(Answer::new(json, page))
}

/// The files in which the configuration says who is trusted: by the house, and by the operator's commands.
fn trusting(context: &Context) -> Result<Vec<PathBuf>, Failure> {
    let config = context.config()?;
    let mut paths: Vec<PathBuf> = config.server().ok().map(|settings| settings.ca).into_iter().collect();
    paths.extend(config.client().ok().map(|settings| settings.ca));
    paths.dedup();
    Ok(paths)
}

/// Whether all of them say this.
fn is_written(context: &Context, trusted: &str) -> Result<bool, Failure> {
    Ok(trusting(context)?.iter().all(|path| fs::read_to_string(path).is_ok_and(|text| text == trusted)))
}

/// Writes what is trusted to these files, and tells which they are.
fn trust(context: &Context, trusted: &str) -> Result<Vec<PathBuf>, Failure> {
    let paths = trusting(context)?;
    replace_all(&paths.iter().map(|path| NewText::public(path.clone(), trusted)).collect::<Vec<_>>())?;
    Ok(paths)
}

fn listed(files: &[PathBuf]) -> String {
    let names: Vec<String> = files.iter().map(|path| path.display().to_string()).collect();
    if names.is_empty() { "no file that is configured here".to_owned() } else { names.join(" and ") }
}
