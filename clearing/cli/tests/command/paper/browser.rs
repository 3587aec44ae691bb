//! A Chromium without a window, driven by its DevTools protocol: messages of JSON over two pipes, each ended by a zero byte.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;

/// Under which names it is installed.
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "chrome"];

/// It takes its messages from the third and answers on the fourth file of a process.
const PIPES: &str = r#"exec "$0" "$@" 3<&0 4>&1 </dev/null >/dev/null 2>&1"#;

/// A browser with one page.
pub struct Browser {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    sent: u64,
    page: Option<String>,
    _profile: TempDir,
}

impl Browser {
    /// Starts it.
    pub fn new() -> Self {
        let is_there = |name: &&str| Command::new(name).arg("--version").output().is_ok();
        let name = NAMES.into_iter().find(is_there).expect("chromium is installed: `./check test` sees to it");
        let profile = tempfile::tempdir().unwrap();
        let mut child = Command::new("sh")
            .args([
                "-c",
                PIPES,
                name,
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--no-first-run",
            ])
            .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
            .args(["--disable-dev-shm-usage", "--hide-scrollbars", "--remote-debugging-pipe"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (to, from) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let mut browser = Self { child, to, from, sent: 0, page: None, _profile: profile };
        let target = browser.call("Target.createTarget", json!({ "url": "about:blank" }))["targetId"].clone();
        let session = browser.call("Target.attachToTarget", json!({ "targetId": target, "flatten": true }));
        browser.page = session["sessionId"].as_str().map(str::to_owned);
        browser.call("Page.enable", json!({}));
        browser
    }

    /// Opens a file and waits until it is there as a whole.
    pub fn open(&mut self, file: &Path) {
        self.call("Page.navigate", json!({ "url": format!("file://{}", file.display()) }));
        while self.hear()["method"] != "Page.loadEventFired" {}
    }

    /// Looks at it on a screen so wide, in pixels.
    pub fn look(&mut self, width: u32, dark: bool) {
        let screen = json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.call("Emulation.setDeviceMetricsOverride", screen);
        let scheme = if dark { "dark" } else { "light" };
        let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.call("Emulation.setEmulatedMedia", media);
    }

    /// What a script finds in it.
    pub fn find(&mut self, script: &str) -> Value {
        let found = self.call("Runtime.evaluate", json!({ "expression": script, "returnByValue": true }));
        assert!(found["exceptionDetails"].is_null(), "{found}");
        found["result"]["value"].clone()
    }

    /// Keeps a picture of it, from its top, so high at most.
    pub fn picture(&mut self, file: &Path, height_max: u32) {
        let size = self.call("Page.getLayoutMetrics", json!({}))["cssContentSize"].clone();
        let height = size["height"].as_f64().unwrap().min(f64::from(height_max));
        let clip = json!({ "x": 0, "y": 0, "width": size["width"], "height": height, "scale": 1 });
        let taken = self.call("Page.captureScreenshot", json!({ "captureBeyondViewport": true, "clip": clip }));
        keep(&taken, file);
    }

    /// Prints it as a PDF on the paper of this machine's printers: A4.
    pub fn print(&mut self, file: &Path) {
        let paper = json!({ "preferCSSPageSize": true, "paperWidth": 8.27, "paperHeight": 11.69 });
        let printed = self.call("Page.printToPDF", paper);
        keep(&printed, file);
    }

    /// Ends it.
    pub fn close(mut self) {
        self.page = None;
        self.call("Browser.close", json!({}));
        self.child.wait().unwrap();
    }

    fn call(&mut self, method: &str, params: Value) -> Value {
        self.sent += 1;
        let message = json!({ "id": self.sent, "method": method, "params": params, "sessionId": self.page });
        let mut message = message;
        if self.page.is_none() {
            message.as_object_mut().unwrap().remove("sessionId");
        }
        self.to.write_all(format!("{message}\0").as_bytes()).unwrap();
        self.to.flush().unwrap();
        loop {
            let heard = self.hear();
            if heard["id"] == self.sent {
                assert!(heard["error"].is_null(), "{method}: {heard}");
                return heard["result"].clone();
            }
        }
    }

    fn hear(&mut self) -> Value {
        let mut message = Vec::new();
        self.from.read_until(0, &mut message).unwrap();
        assert_eq!(message.pop(), Some(0), "the browser ended");
        serde_json::from_slice(&message).unwrap()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn keep(answer: &Value, file: &Path) {
    fs::write(file, BASE64_STANDARD.decode(answer["data"].as_str().unwrap()).unwrap()).unwrap();
}
