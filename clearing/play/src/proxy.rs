//! A way between two programs that a test can hold up, cut, or lay anew: to a house over TCP, or to PostgreSQL's socket.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf, split};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// How the writer's COMMIT looks on its way to PostgreSQL.
const COMMIT: &[u8] = b"-- store.commit\n";

/// How long the database lags behind what the house has learnt, where it does.
const LAG: Duration = Duration::from_millis(300);

/// Where a proxy leads.
#[derive(Debug, Clone)]
pub enum Upstream {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// What becomes of one COMMIT whose answer never comes.
#[derive(Debug, Clone, Copy)]
pub struct Fate {
    /// Whether it gets to the database.
    pub arrives: bool,
    /// What the house notices.
    pub house: HouseIs,
    /// Whether the way stays closed for whoever asks what became of it.
    pub way_stays_closed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HouseIs {
    /// Cut off first: the database learns its part only some time later.
    CutOffFirst,
    /// Cut off when the database has learnt its part.
    CutOffLast,
    /// Left waiting, for ever, and the database too: neither learns that the other cannot be heard.
    LeftWaiting,
}

/// The way, which ends with the test.
pub struct Proxy {
    address: SocketAddr,
    control: Arc<Control>,
    _tasks: JoinSet<()>,
}

struct Control {
    /// `None`: whoever comes is turned away.
    upstream: watch::Sender<Option<Upstream>>,
    /// Whether what the other side answers is held back.
    withheld: watch::Sender<bool>,
    /// Counts the cuts.
    cut: watch::Sender<u32>,
    /// What becomes of the next COMMIT.
    trap: Mutex<Option<Fate>>,
    /// Counts the COMMITs caught.
    caught: watch::Sender<u32>,
    /// Counts whoever came.
    came: watch::Sender<u32>,
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

impl Proxy {
    pub async fn to(upstream: Option<Upstream>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let control = Arc::new(Control {
            upstream: watch::Sender::new(upstream),
            withheld: watch::Sender::new(false),
            cut: watch::Sender::new(0),
            trap: Mutex::new(None),
            caught: watch::Sender::new(0),
            came: watch::Sender::new(0),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, Arc::clone(&control)));
        Self { address, control, _tasks: tasks }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Leads new connections elsewhere, or turns them away.
    pub fn lead(&self, upstream: Option<Upstream>) {
        self.control.upstream.send_replace(upstream);
    }

    /// Holds back what is answered, or lets it pass again.
    pub fn withhold(&self, withheld: bool) {
        self.control.withheld.send_replace(withheld);
    }

    /// Cuts every connection. What was held back is lost.
    pub fn cut(&self) {
        self.control.cut.send_modify(|cuts| *cuts += 1);
    }

    /// Prepares a fate for the next COMMIT of a writer.
    pub fn catch_commit(&self, fate: Fate) {
        let before = self.control.trap.lock().unwrap().replace(fate);
        assert!(before.is_none(), "a COMMIT is still waited for");
    }

    /// Waits until so many more connections have come, let through or turned away.
    pub async fn more_came(&self, many: u32) {
        let mut came = self.control.came.subscribe();
        let until = *came.borrow() + many;
        came.wait_for(|came| *came >= until).await.expect("the proxy lasts");
    }

    /// How many COMMITs were caught.
    pub fn caught(&self) -> u32 {
        *self.control.caught.borrow()
    }
}

async fn accept(listener: TcpListener, control: Arc<Control>) {
    let mut connections = JoinSet::new();
    loop {
        let (near, _) = listener.accept().await.unwrap();
        near.set_nodelay(true).unwrap();
        control.came.send_modify(|came| *came += 1);
        connections.spawn(connect(near, Arc::clone(&control)));
        while connections.try_join_next().is_some() {}
    }
}

async fn connect(near: TcpStream, control: Arc<Control>) {
    let mut cut = control.cut.subscribe();
    let upstream = control.upstream.borrow().clone();
    let far: Box<dyn Stream> = match upstream {
        None => return,
        Some(Upstream::Tcp(address)) => match TcpStream::connect(address).await {
            Ok(far) => {
                far.set_nodelay(true).unwrap();
                Box::new(far)
            }
            Err(_) => return,
        },
        Some(Upstream::Unix(path)) => match UnixStream::connect(path).await {
            Ok(far) => Box::new(far),
            Err(_) => return,
        },
    };
    let (near_in, mut near_out) = split(near);
    let (mut far_in, far_out) = split(far);
    // Whichever ends first ends both: a connection that is half there is none.
    let caught = tokio::select! {
        _ = cut.changed() => None,
        () = answers(&mut far_in, &mut near_out, control.withheld.subscribe()) => None,
        caught = questions(near_in, far_out, &control) => caught,
    };
    // The answers are no longer forwarded from here on.
    let Some(Caught { fate, commit, near_in, mut far_out }) = caught else { return };
    if fate.way_stays_closed {
        control.upstream.send_replace(None);
    }
    let near = near_in.unsplit(near_out);
    let mut near = Some(near);
    if fate.house == HouseIs::CutOffFirst {
        near = None;
        tokio::time::sleep(LAG).await;
    }
    if fate.arrives {
        commit_and_wait(&commit, &mut far_in, &mut far_out).await;
    }
    control.caught.send_modify(|caught| *caught += 1);
    if fate.house == HouseIs::LeftWaiting {
        std::future::pending::<()>().await;
    }
    drop((near, far_in, far_out));
}

async fn commit_and_wait(
    commit: &[u8],
    far_in: &mut ReadHalf<Box<dyn Stream>>,
    far_out: &mut WriteHalf<Box<dyn Stream>>,
) {
    far_out.write_all(commit).await.unwrap();
    let mut answer = [0; 1024];
    let length = far_in.read(&mut answer).await.unwrap();
    assert!(length > 0, "PostgreSQL did not answer COMMIT");
}

/// A COMMIT on its way, and the halves of the connection it came through.
struct Caught {
    fate: Fate,
    commit: Vec<u8>,
    near_in: ReadHalf<TcpStream>,
    far_out: WriteHalf<Box<dyn Stream>>,
}

async fn questions(
    mut near_in: ReadHalf<TcpStream>,
    mut far_out: WriteHalf<Box<dyn Stream>>,
    control: &Control,
) -> Option<Caught> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let length = near_in.read(&mut buffer).await.ok().filter(|length| *length > 0)?;
        let said = &buffer[..length];
        if said.windows(COMMIT.len()).any(|part| part == COMMIT)
            && let Some(fate) = control.trap.lock().unwrap().take()
        {
            return Some(Caught { fate, commit: said.to_vec(), near_in, far_out });
        }
        far_out.write_all(said).await.ok()?;
    }
}

async fn answers(
    far_in: &mut ReadHalf<Box<dyn Stream>>,
    near_out: &mut WriteHalf<TcpStream>,
    mut withheld: watch::Receiver<bool>,
) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length) = far_in.read(&mut buffer).await
        && length > 0
    {
        if withheld.wait_for(|withheld| !withheld).await.is_err()
            || near_out.write_all(&buffer[..length]).await.is_err()
        {
            return;
        }
    }
}
