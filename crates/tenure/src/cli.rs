//! The commands, as they are typed. Each leads to one function; none does its work here.
//!
//! Names, flags and exit codes are a contract: scripts rely on them, so they are added to and never changed.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use wire::usage::UsageBy;

use crate::client::{self, Connection, Failure};
use crate::examples;
use crate::output::{Format, Output};
use crate::server::{self, ServeFlags};

/// The engine under edge service platforms: decides once where each service instance belongs, remembers it, and can say why.
#[derive(Debug, Parser)]
#[command(name = "tenure", version, propagate_version = true, after_help = examples::MAIN)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Args)]
struct Global {
    /// URL of the server
    #[arg(long, global = true, help_heading = "Global options", env = "TENURE_SERVER", default_value = crate::spelling::SERVER_DEFAULT)]
    server: String,
    /// Token; on the machine of the server it is found in the data directory
    #[arg(long, global = true, help_heading = "Global options", env = "TENURE_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// How answers are printed
    #[arg(short, long, global = true, help_heading = "Global options", value_enum, default_value_t = Format::Table)]
    output: Format,
    /// No progress and no remarks, only answers and errors
    #[arg(short, long, global = true, help_heading = "Global options")]
    quiet: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve a sample fleet with synthetic reports, and print a tour of it
    Demo {
        /// Where to keep it; a temporary directory unless named
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
        /// Address and port to serve on
        #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:7400")]
        listen: String,
        /// How many instances the fleet has
        #[arg(long, default_value_t = 20_000, value_name = "N")]
        instances: u32,
    },
    /// Run a server
    #[command(after_help = examples::SERVE)]
    Serve {
        #[command(flatten)]
        flags: Box<ServeFlags>,
        /// Print each setting with where it came from, and exit
        #[arg(long)]
        print_config: bool,
    },
    /// Write manifests: all or nothing
    #[command(after_help = examples::APPLY)]
    Apply {
        /// A file, a directory of files, or - for standard input
        #[arg(short, long = "file", value_name = "FILE|DIR|-", required = true)]
        file: Vec<PathBuf>,
        /// Say what would change and change nothing
        #[arg(long)]
        dry_run: bool,
        /// The name of the set that these manifests make up
        #[arg(long, value_name = "NAME")]
        set: Option<String>,
        /// Delete what an earlier apply of the same set created and this one does not hold; never instances
        #[arg(long, requires = "set")]
        prune: bool,
        /// Write even if many owners become invalid at once
        #[arg(long)]
        allow_disruption: bool,
    },
    /// Show one object, or list a kind
    #[command(after_help = examples::GET)]
    Get {
        kind: String,
        id: Option<String>,
        /// At most so many rows
        #[arg(long, value_name = "N")]
        limit: Option<u64>,
    },
    /// Show an object with what surrounds it
    Describe { kind: String, id: String },
    /// Delete an object; an instance is terminated
    Delete {
        kind: String,
        id: String,
        /// Delete even if many owners become invalid at once
        #[arg(long)]
        allow_disruption: bool,
    },
    /// Read objects from CSV or NDJSON, streamed
    #[command(after_help = examples::IMPORT)]
    Import(ImportArgs),
    /// Write a kind as NDJSON that import takes back
    Export { kind: String },
    /// What is delivered to an instance now
    Resolve {
        instance: String,
        /// A delivery format: json
        #[arg(long = "format", value_name = "NAME")]
        delivery: Option<String>,
        /// Measure proximity from here
        #[arg(long, value_name = "LAT,LON", allow_hyphen_values = true)]
        near: Option<String>,
    },
    /// Why an instance is where it is
    #[command(after_help = examples::EXPLAIN)]
    Explain {
        instance: String,
        /// And why not in this group
        #[arg(long, value_name = "GROUP")]
        why_not: Option<String>,
        /// Decide the recorded batch anew and compare
        #[arg(long)]
        verify: bool,
    },
    /// Preview changes, then apply them at a rate
    #[command(subcommand, after_help = examples::PLAN)]
    Plan(PlanCommand),
    /// Tasks and how they fare
    Tasks {
        #[command(subcommand)]
        action: Option<TaskCommand>,
    },
    /// What an instance used, counted exactly once
    #[command(after_help = examples::USAGE)]
    Usage(UsageArgs),
    /// Whether every byte that was received is accounted for; exit code 1 when it is not
    #[command(after_help = examples::CONSERVATION)]
    Conservation {
        /// Count the rows again and name the first difference
        #[arg(long)]
        deep: bool,
    },
    /// How counts came into the database, generation by generation
    #[command(after_help = examples::LEDGER)]
    Ledger(LedgerArgs),
    /// Who reports, how far that is heard and how far it is in the database
    Reporters,
    /// The devices of an instance that are online
    Presence { instance: String },
    /// Intake replicas: the logs in which reports are kept until the database has them
    #[command(subcommand, after_help = examples::INTAKE)]
    Intake(IntakeCommand),
    /// Tokens and their scopes
    #[command(subcommand, after_help = examples::TOKEN)]
    Token(TokenCommand),
    /// The audit log
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Check a running server and say what to do
    Doctor,
    /// Print a completion script
    Completions { shell: clap_complete::Shell },
}

/// What `import` is told.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// nodes, instances, groups …
    pub kind: String,
    /// The file, or - for standard input
    pub file: PathBuf,
    /// Found from the file's name unless told
    #[arg(long, value_enum)]
    pub format: Option<ImportFormat>,
    /// field=column, field=slug(column), field='text', weight=count() or 'field=column{word: text, *: text}'
    #[arg(long = "map", value_name = "FIELD=COLUMN")]
    pub mappings: Vec<String>,
    /// Take only rows of which this holds: column=value or column!=value
    #[arg(long = "where", value_name = "COLUMN=VALUE")]
    pub conditions: Vec<String>,
    /// Do not wait until each instance has its ownership
    #[arg(long)]
    pub no_wait: bool,
    /// Write even if many owners become invalid at once
    #[arg(long)]
    pub allow_disruption: bool,
}

/// How a file of rows is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ImportFormat {
    Csv,
    Ndjson,
}

/// What is done with plans.
#[derive(Debug, Subcommand)]
pub enum PlanCommand {
    /// What a change of manifests would do to every instance
    Topology {
        #[arg(short, long = "file", value_name = "FILE|DIR|-", required = true)]
        file: Vec<PathBuf>,
    },
    /// New owners for all that are broken
    Repair,
    /// The fewest moves that balance
    Rebalance {
        /// Stop when the fullest group is at most so many times the mean
        #[arg(long, value_name = "RATIO", default_value_t = 1.0)]
        to: f64,
    },
    /// Empty a group
    Drain { group: String },
    /// Move named instances
    Move {
        #[arg(long = "instance", value_name = "ID", required = true)]
        instances: Vec<String>,
        #[arg(long, value_name = "GROUP")]
        to: String,
    },
    /// All plans
    List,
    /// One plan
    Show {
        id: String,
        /// With its moves
        #[arg(long)]
        moves: bool,
    },
    /// Start it, at a rate
    Apply {
        id: String,
        /// For example 100/s
        #[arg(long, value_name = "RATE")]
        rate: Option<String>,
        /// Come back when it has begun, not when it is done
        #[arg(long)]
        no_wait: bool,
    },
    /// Stop it for a while
    Pause { id: String },
    /// Let it go on
    Resume {
        id: String,
        /// For example 100/s; the rate it had unless told
        #[arg(long, value_name = "RATE")]
        rate: Option<String>,
    },
    /// Stop it for good; what is moved stays moved
    Abort { id: String },
    /// A plan of the reverse moves
    Undo { id: String },
}

/// Whose usage, and of when.
#[derive(Debug, Args)]
pub struct UsageArgs {
    pub instance: String,
    /// What a row covers: hour unless told; days are UTC
    #[arg(long, value_parser = PossibleValuesParser::new(["hour", "day", "period"]).try_map(|it| it.parse::<UsageBy>()))]
    pub by: Option<UsageBy>,
    /// From then on, as 2026-01-31 or 2026-01-31T10:00:00Z; the current period unless told
    #[arg(long, value_name = "TIME")]
    pub from: Option<String>,
    /// Until then
    #[arg(long, value_name = "TIME")]
    pub to: Option<String>,
}

/// Which rows of the ledger.
#[derive(Debug, Args)]
pub struct LedgerArgs {
    /// Only of this intake replica
    #[arg(long, value_name = "NAME")]
    pub replica: Option<String>,
    /// Only of this shard
    #[arg(long, value_name = "N")]
    pub shard: Option<u32>,
    /// At most so many rows, the newest
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub limit: u64,
}

/// What is done with intake replicas.
#[derive(Debug, Subcommand)]
pub enum IntakeCommand {
    /// All of them
    List,
    /// Give one up whose disk is gone for good: its reporters get a new home
    Retire { name: String },
}

/// What is done with tasks.
#[derive(Debug, Subcommand)]
pub enum TaskCommand {
    /// Do not run it
    Pause { name: String },
    /// Run it again
    Resume { name: String },
    /// Run it now
    Run { name: String },
}

/// What is done with tokens.
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Make one; it is shown this once
    Create {
        /// resolve, read, write, report or admin
        #[arg(long = "scope", value_name = "SCOPE", required = true)]
        scopes: Vec<String>,
        /// The reporter that a report token speaks for
        #[arg(long, value_name = "ID")]
        reporter: Option<String>,
    },
    /// All tokens, without their secrets
    List,
    /// Refuse it from now on
    Revoke { id: String },
}

/// What is done with the audit log.
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Recompute the chain
    Verify,
    /// Print entries
    List {
        #[arg(long, default_value_t = 50)]
        limit: u64,
    },
}

/// Parses what was typed and does it. 0 done, 1 refused or failed, 2 usage.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    start_logging(cli.global.quiet, matches!(cli.command, Command::Demo { .. }));
    client::trust_the_usual_authorities();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&Failure::new(format!("no runtime could be started: {error}"))),
    };
    match runtime.block_on(dispatch(cli)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => fail(&failure),
    }
}

fn fail(failure: &Failure) -> ExitCode {
    eprintln!("{failure}");
    ExitCode::from(failure.exit_code())
}

async fn dispatch(cli: Cli) -> Result<(), Failure> {
    let Global { server, token, output, quiet } = cli.global;
    let output = Output { format: output, is_quiet: quiet };
    let connection = || Connection::new(&server, token.as_deref());
    match cli.command {
        Command::Demo { data, listen, instances } => crate::demo::run(data, &listen, instances).await,
        Command::Serve { flags, print_config } => serve(&flags, print_config, output).await,
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "tenure", &mut script);
            output.text(&String::from_utf8_lossy(&script))
        }
        Command::Apply { file, dry_run, set, prune, allow_disruption } => {
            let options = client::apply::Options { is_dry_run: dry_run, set, is_prune: prune, allow_disruption };
            client::apply::apply(&connection()?, output, &file, &options).await
        }
        Command::Get { kind, id: Some(id), .. } => client::objects::get(&connection()?, output, &kind, &id).await,
        Command::Get { kind, id: None, limit } => client::objects::list(&connection()?, output, &kind, limit).await,
        Command::Describe { kind, id } => client::describe::describe(&connection()?, output, &kind, &id).await,
        Command::Delete { kind, id, allow_disruption } => {
            client::objects::delete(&connection()?, output, &kind, &id, allow_disruption).await
        }
        Command::Import(args) => client::import::import(&connection()?, output, &args).await,
        Command::Export { kind } => client::objects::export(&connection()?, &kind).await,
        Command::Resolve { instance, delivery, near } => {
            client::answers::resolve(&connection()?, output, &instance, delivery.as_deref(), near.as_deref()).await
        }
        Command::Explain { instance, why_not, verify } => {
            client::answers::explain(&connection()?, output, &instance, why_not.as_deref(), verify).await
        }
        Command::Plan(command) => client::plans::run(&connection()?, output, command).await,
        Command::Tasks { action } => client::operate::tasks(&connection()?, output, action).await,
        Command::Usage(args) => client::counting::usage(&connection()?, output, &args).await,
        Command::Conservation { deep } => client::counting::conservation(&connection()?, output, deep).await,
        Command::Ledger(args) => client::counting::ledger(&connection()?, output, &args).await,
        Command::Reporters => client::counting::reporters(&connection()?, output).await,
        Command::Presence { instance } => client::counting::presence(&connection()?, output, &instance).await,
        Command::Intake(command) => client::counting::intake(&connection()?, output, command).await,
        Command::Token(command) => client::operate::tokens(&connection()?, output, command).await,
        Command::Audit(command) => client::operate::audit(&connection()?, output, command).await,
        Command::Doctor => client::operate::doctor(&connection()?, output).await,
    }
}

async fn serve(flags: &ServeFlags, is_print: bool, output: Output) -> Result<(), Failure> {
    let variable = |name: &str| std::env::var(name).ok();
    let (settings, sourced) = server::resolve(flags, variable).map_err(Failure::usage)?;
    if !is_print {
        return server::serve(settings).await.map_err(Failure::new);
    }
    let rows = sourced
        .iter()
        .map(|it| vec![it.name.to_owned(), it.value.clone(), it.origin.to_string(), it.meaning.to_owned()]);
    let json = || {
        sourced
            .iter()
            .map(|it| serde_json::json!({"name": it.name, "value": it.value, "from": it.origin.to_string()}))
            .collect()
    };
    output.rows(&["SETTING", "VALUE", "FROM", "MEANING"], rows.collect(), json)
}

/// Logs go to standard error; `TENURE_LOG` chooses what, as in `tenure=debug,control=debug`.
fn start_logging(is_quiet: bool, is_demo: bool) {
    let default = if is_quiet || is_demo { "error" } else { "info,sqlx=warn,hyper=warn" };
    let filter = tracing_subscriber::EnvFilter::try_from_env("TENURE_LOG").unwrap_or_else(|_| default.into());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .init();
}
