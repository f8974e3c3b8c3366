//! The commands of a person with an IP address and a PDF, against the simulator: what they print, and how they end.
#![allow(clippy::panic, clippy::unwrap_in_result, reason = "a test")]
mod common;

use common::cli::{checked, run};
use pollux_mapper::Exit;
use pollux_sim::{Dead, Line, serve};
use std::{net::SocketAddr, path::Path};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

/// The three boilers; unit 3 sends its registers the other way round.
async fn boilers() -> (Line, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let line = Line::new(1, 1.0, |record| panic!("nothing is ever written: {record:?}"));
    tokio::spawn(serve(listener, line.clone()));
    (line, address)
}

#[tokio::test]
async fn read_prints_a_place_in_the_type_that_was_asked_for() {
    let (_, at) = boilers().await;
    for (words, shown) in [
        ("1 holding 0 float32", "holding 0 (40001)  float32  60\n"),
        ("1 40001 float32", "holding 0 (40001)  float32  60\n"),
        ("3 holding 0 float32 --order CDAB", "holding 0 (40001)  float32 CDAB  60\n"),
        ("1 coil 0", "coil 0 (00001)  true\n"),
        ("1 holding 4 --bit 0", "holding 4 (40005)  bit 0  false\n"),
        ("1 40101 uint16 --count 2", "holding 100 (40101)  uint16  515\nholding 101 (40102)  uint16  500\n"),
    ] {
        let done = run(&format!("read tcp://{at}/{words}")).await;
        assert_eq!((done.exit, done.out.as_str(), done.err.as_str()), (Exit::Ok, shown, ""), "{words}");
    }
    let done = run(&format!("read tcp://{at}/1 input 11 string --length 8")).await;
    assert!(done.exit == Exit::Ok && done.out.starts_with("input 11 (30012)  string  \"PX-"), "{}", done.out);
}

#[tokio::test]
async fn one_table_ends_the_guessing_of_byte_orders() {
    let (_, at) = boilers().await;
    let done = run(&format!("read tcp://{at}/3 holding 0 float32 --all-orders")).await;
    let expected = "holding 0 (40001) of unit 3: 0x0000 0x4270

         ABCD        BADC        CDAB        DCBA
int16    0           0
uint16   0           0
int32    17008 *     28738 *     1114636288  1883373568
uint32   17008 *     28738 *     1114636288  1883373568
float32  2.3833e-41  4.0271e-41  60 *        2.4016e29

* plausible: a float of magnitude 0.000001 to 1000000000, a whole number of 32 or 64 bits below 10 million whose lowest byte is not 0
float32 is plausible in one order: CDAB (60)
";
    assert_eq!((done.exit, done.out.as_str()), (Exit::Ok, expected));
}

#[tokio::test]
async fn what_was_read_becomes_yaml_that_check_accepts() {
    let (_, at) = boilers().await;
    let done = run(&format!("read tcp://{at}/3 holding 0 float32 --all-orders --yaml")).await;
    let property = "  - name: holding_0\n    type: number\n    binding: {modbus: {table: holding, address: 0, dataType: float32, byteOrder: CDAB}}\n";
    assert_eq!((done.exit, done.out.as_str()), (Exit::Ok, property));
    assert!(done.err.ends_with("float32 is plausible in one order: CDAB (60)\n"), "{}", done.err);

    let done =
        run(&format!("read tcp://{at}/3 40001 float32 --order cdab --yaml --device boiler-3 --name setpoint")).await;
    let expected = format!(
        "apiVersion: pollux.rs/v1alpha1
kind: Device
metadata:
  name: boiler-3
spec:
  mode: Monitor
  protocol:
    modbus: {{tcp: {{host: 127.0.0.1, port: {}}}, unitId: 3}}
  properties:
  - name: setpoint
    type: number
    binding: {{modbus: {{table: holding, address: 0, dataType: float32, byteOrder: CDAB}}}}
",
        at.port()
    );
    assert_eq!((done.exit, done.out.as_str()), (Exit::Ok, expected.as_str()));
    let checked = checked(&expected).await;
    assert!(checked.contains("unit 3  fc 3 holding 0..1 (40001..40002)  setpoint\n"), "{checked}");
    assert!(checked.ends_with("1 device, 0 models: ok\n"), "{checked}");
}

#[tokio::test]
async fn an_address_that_is_not_there_is_looked_for_next_door() {
    let (_, at) = boilers().await;
    let done = run(&format!("read tcp://{at}/1 40100 uint16")).await;
    let expected = "unit 1: Modbus exception 2: illegal data address: holding 99 (40100) is not there
holding 100 (40101) answers: 0x0203; 40100 here may be holding 100 (40101), one higher
";
    assert_eq!((done.exit, done.out.as_str(), done.err.as_str()), (Exit::Fault, "", expected));
    let done = run(&format!("read tcp://{at}/1 holding 102 uint16 --all-orders")).await;
    assert!(
        done.exit == Exit::Fault && done.err.contains("40103 here may be holding 101 (40102), one lower"),
        "{}",
        done.err
    );
    let done = run(&format!("read tcp://{at}/1 holding 500 uint16")).await;
    assert!(done.err.ends_with("holding 500 (40501) is not there; nor are its neighbours\n"), "{}", done.err);
}

#[tokio::test]
async fn faults_and_wrong_usage_are_told_apart() {
    let (line, at) = boilers().await;
    line.set_dead(2, Some(Dead::Exception));
    line.set_dead(1, Some(Dead::Silent));
    let done = run(&format!("read tcp://{at}/2 holding 0 float32")).await;
    assert_eq!(
        (done.exit, done.err.as_str()),
        (Exit::Fault, "unit 2: Modbus exception 11: gateway target device failed to respond\n")
    );
    let done = run(&format!("read tcp://{at}/1 holding 0 float32 --timeout 100ms")).await;
    assert_eq!((done.exit, done.err.as_str()), (Exit::Fault, "unit 1: no answer\n"));
    let done = run("read tcp://127.0.0.1:1/1 holding 0 float32").await;
    assert!(done.exit == Exit::Fault && done.err.starts_with("tcp://127.0.0.1:1: cannot connect: "), "{}", done.err);
    for (words, error) in [
        ("holding 0", "say the type"),
        ("holding", "holding needs an address"),
        ("holdin 0 int16", "no table"),
        ("holding 0 int17", "no data type"),
        ("holding 0 int16 int16", "no more were expected"),
        ("40001 int16 int16", "one word too many"),
        ("holding 65535 float32", "65536"),
        ("holding 65535 int16 --count 2", "must be at most 65535"),
        ("coil 0 int16", "have no type"),
        ("holding 0 string", "length"),
        ("holding 0 --bit 16", "bit"),
        ("holding 0 int16 --order AB", "no byte order"),
        ("holding 0 int16 --count 0", "--count"),
        ("holding 0 int16 --count 2 --all-orders", "--count"),
        ("holding 0 --bit 1 --all-orders", "--bit"),
        ("coil 0 --all-orders", "no byte order"),
        ("holding 0 int16 --yaml --device A_B", "must be lower case"),
        ("holding 0 int16 --device a", "--yaml"),
    ] {
        let done = run(&format!("read tcp://{at}/1 {words}")).await;
        assert!(done.exit == Exit::Usage && done.err.contains(error) && done.out.is_empty(), "{words}: {}", done.err);
    }
    let done = run(&format!("read tcp://{at}/999 holding 0 int16")).await;
    assert!(done.exit == Exit::Usage && done.err.contains("must be 0 to 255"), "{}", done.err);
}

#[tokio::test]
async fn scan_finds_who_answers_and_nobody_else() {
    let (line, at) = boilers().await;
    line.set_dead(2, Some(Dead::Silent));
    let done = run(&format!("scan tcp://{at} --units 1-12 --timeout 50ms")).await;
    assert_eq!(done.exit, Exit::Ok, "{}", done.err);
    let lines: Vec<&str> = done.out.lines().collect();
    assert_eq!(lines[0], "unit  time     answer");
    assert!(lines[1].starts_with("   1  ") && lines[1].ends_with(" ms  holding 0 (40001) = 0x4270"), "{}", done.out);
    assert!(lines[2].starts_with("   3  ") && lines[2].ends_with(" ms  holding 0 (40001) = 0x0000"), "{}", done.out);
    assert_eq!((lines.len(), done.err.as_str()), (3, "2 of 12 units answered: 1, 3\n"));

    let refused = run(&format!("scan tcp://{at} --units 1-3 --timeout 50ms --at holding 50")).await;
    assert!(
        refused.out.contains("Modbus exception 2: illegal data address"),
        "an exception is an answer: {}",
        refused.out
    );
    let none = run(&format!("scan tcp://{at} --units 40-42 --timeout 50ms")).await;
    assert_eq!((none.exit, none.err.as_str()), (Exit::Fault, "none of 3 units answered within 50ms\n"));
    let wrong = run(&format!("scan tcp://{at}/1")).await;
    assert!(wrong.exit == Exit::Usage && wrong.err.contains("--units 1"), "{}", wrong.err);
}

#[tokio::test]
async fn what_scan_found_becomes_yaml_that_check_accepts() {
    let (_, at) = boilers().await;
    let done = run(&format!("scan tcp://{at} --units 1-3 --timeout 100ms --yaml --channel hall-2")).await;
    assert_eq!(done.exit, Exit::Ok, "{}", done.err);
    let checked = checked(&done.out).await;
    assert!(checked.ends_with("3 devices, 0 models, 1 channel: ok\n"), "{checked}\n{}", done.out);
    assert!(checked.contains("hall-2-3 at tcp://127.0.0.1:"), "{checked}");
    assert!(done.out.contains("# It said: holding 0 (40001) = 0x4270\n"), "{}", done.out);
}

#[tokio::test]
async fn probe_finds_the_holes_of_the_simulator() {
    let (_, at) = boilers().await;
    let done = run(&format!("probe tcp://{at}/1 --range holding 0-124 --pipeline 1")).await;
    assert_eq!(done.exit, Exit::Ok, "{}", done.err);
    let expected = "holding 6 to 9 (40007-40010), holding 18 to 99 (40019-40100), holding 102 to 124 (40103-40125)\n";
    assert!(done.out.contains(&format!("holes         {expected}")), "{}", done.out);
    assert!(
        done.out.contains("largest read  8 registers (no more in a row are there to be asked for)\n"),
        "{}",
        done.out
    );
    let yaml = "# for spec.protocol.modbus of the Device
avoid: [{table: holding, first: 6, last: 9}, {table: holding, first: 18, last: 99}]
";
    assert!(done.out.ends_with(yaml), "{}", done.out);
    let said = "reads holding 0 (40001) to holding 124 (40125) of unit 1, at most 1000 requests, and writes nothing\n";
    assert_eq!(done.err, said);
}

#[tokio::test]
async fn probe_of_what_is_not_there_says_so() {
    let (line, at) = boilers().await;
    let done = run(&format!("probe tcp://{at}/1 --range holding 300-310")).await;
    assert!(
        done.exit == Exit::Fault && done.err.contains("illegal data address; nothing in this range can be read"),
        "{}",
        done.err
    );
    line.set_dead(2, Some(Dead::Exception));
    let done = run(&format!("probe tcp://{at}/2")).await;
    assert!(done.exit == Exit::Fault && done.err.contains("exception 11"), "{}", done.err);
    let done = run(&format!("probe tcp://{at}/1 --range holding 0-5000")).await;
    assert!(done.exit == Exit::Usage && done.err.contains("at most 2000"), "{}", done.err);
}

/// How a device of 65,536 holding registers, each of which holds its address, answers a read, by how many came before; None: it closes
/// the connection.
type Answers = fn(asked: u32, start: u16, count: u16) -> Option<Result<(), u8>>;

/// Answers reads as `answers` says. Only what it was asked is counted.
async fn device(answers: Answers) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        let mut asked = 0;
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 12];
            while stream.read_exact(&mut request).await.is_ok() {
                let word = |at: usize| u16::from_be_bytes([request[at], request[at + 1]]);
                let (start, count) = (word(8), word(10));
                let answer = answers(asked, start, count);
                asked += 1;
                let Some(answer) = answer else { break };
                let pdu = match answer {
                    Ok(()) => {
                        let data = (0..count).flat_map(|at| start.wrapping_add(at).to_be_bytes());
                        [3, u8::try_from(count * 2).expect("at most 125")].into_iter().chain(data).collect()
                    }
                    Err(0) => continue, // silent
                    Err(code) => vec![0x83, code],
                };
                let length = u8::try_from(pdu.len() + 1).expect("short").to_be_bytes();
                let head = [request[0], request[1], 0, 0, 0, length[0], request[6]];
                if stream.write_all(&[&head[..], &pdu].concat()).await.is_err() {
                    break;
                }
            }
        }
    });
    address
}

#[tokio::test]
async fn a_value_that_is_bad_is_a_fault() {
    let at = device(|_, _, _| Some(Ok(()))).await;
    let done = run(&format!("read tcp://{at}/1 holding 15 bcd16")).await; // 0x000F
    assert!(done.exit == Exit::Fault && done.out.contains("Bad: "), "{}", done.out);
    let done = run(&format!("read tcp://{at}/1 holding 15 bcd16 --yaml")).await;
    assert!(done.exit == Exit::Fault && done.err.contains("Bad: "), "{}", done.err);
}

#[tokio::test]
async fn the_last_registers_are_read_whole_and_halves_as_people_write_them() {
    let at = device(|_, _, _| Some(Ok(()))).await;
    let done = run(&format!("read tcp://{at}/1 holding 65534 float32 --all-orders")).await;
    assert!(done.exit == Exit::Ok && done.out.contains(": 0xFFFE 0xFFFF\n"), "{}", done.out);
    let done = run(&format!("read tcp://{at}/1 holding 19795 float16")).await; // 0x4D53: 21.296875
    assert!(done.out.ends_with("float16  21.3\n"), "{}", done.out);
}

#[tokio::test]
async fn a_device_that_closes_instead_of_refusing_is_probed_all_the_same() {
    let at = device(|_, start, count| (start + count <= 20).then_some(Ok(()))).await;
    let done = run(&format!("probe tcp://{at}/1 --range holding 0-21 --pipeline 1")).await;
    assert_eq!(done.exit, Exit::Ok, "{}", done.err);
    assert!(done.out.contains("holes         holding 20 to 21 (40021-40022)\n"), "{}", done.out);
    assert!(done.out.contains("largest read  20 registers"), "{}", done.out);
}

#[tokio::test]
async fn one_lost_answer_or_a_busy_device_is_no_limit() {
    for fault in [0, 6] {
        // Each fifth read.
        let at = device(match fault {
            0 => |asked, start, count| {
                Some(if start + count > 40 {
                    Err(2)
                } else if asked % 5 == 3 {
                    Err(0)
                } else {
                    Ok(())
                })
            },
            _ => |asked, start, count| {
                Some(if start + count > 40 {
                    Err(2)
                } else if asked % 5 == 3 {
                    Err(6)
                } else {
                    Ok(())
                })
            },
        })
        .await;
        let words = format!("probe tcp://{at}/1 --range holding 0-49 --pipeline 1 --timeout 50ms --requests 100");
        let done = run(&words).await;
        assert!(
            done.out.contains("holes         holding 40 to 49 (40041-40050)\n"),
            "{fault}: {}{}",
            done.out,
            done.err
        );
        assert!(done.out.contains("largest read  40 registers"), "{fault}: {}", done.out);
        assert!(!done.out.contains("limits:"), "{fault}: {}", done.out);
    }
}

#[tokio::test]
async fn half_a_survey_says_so() {
    let at = device(|_, _, count| Some(if count > 1 { Err(3) } else { Ok(()) })).await;
    let done = run(&format!("probe tcp://{at}/1 --range holding 0-1999 --pipeline 1 --requests 100")).await;
    assert_eq!(done.exit, Exit::Fault, "{}", done.out);
    assert!(done.out.contains("largest read  1 registers"), "what was found is told: {}", done.out);
    assert!(done.err.contains("a part of the range only: all requests are used up"), "{}", done.err);
}

#[tokio::test]
async fn a_unit_whose_question_lost_the_connection_is_asked_again() {
    let at = device(|asked, _, _| (asked != 1).then_some(Ok(()))).await;
    let done = run(&format!("scan tcp://{at} --units 1-3 --timeout 200ms")).await;
    assert_eq!(done.exit, Exit::Ok, "{}", done.err);
    assert!(done.err.ends_with("3 of 3 units answered: 1, 2, 3\n"), "{}", done.err);
    let at = device(|_, _, _| None).await;
    let done = run(&format!("scan tcp://{at} --units 1-9 --timeout 200ms")).await;
    assert!(done.exit == Exit::Fault && done.err.contains("given up after 3 units"), "{}", done.err);
}

#[tokio::test]
async fn a_list_as_kepware_exports_it_becomes_a_model() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/import");
    let done = run(&format!("import {}/kepware.csv --model line-7", folder.display())).await;
    let expected = std::fs::read_to_string(folder.join("kepware.yaml")).expect("there");
    assert_eq!((done.exit, done.out.as_str()), (Exit::Ok, expected.as_str()), "{}", done.err);
    assert_eq!(
        done.err,
        format!(
            "{}/kepware.csv: note: 1 tags that say R/W stand in tables that cannot be written, and are ReadOnly\n",
            folder.display()
        )
    );
    assert!(checked(&expected).await.ends_with("0 devices, 1 model: ok\n"));
}

#[tokio::test]
async fn help_teaches_the_commands() {
    let help = run("--help").await.out;
    for line in [
        "  scan    Find the unit ids",
        "  probe   Find out what",
        "  import  Make a DeviceModel",
        "read tcp://10.0.0.5/1 40001 float32 --all-orders",
    ] {
        assert!(help.contains(line), "{line}: {help}");
    }
    let help = run("read --help").await.out;
    assert!(help.contains("YAML files or folders") && help.contains("--all-orders"), "{help}");
    for command in ["read tcp://a --help", "scan --help", "probe --help", "import --help"] {
        assert!(run(command).await.out.contains("Examples:\n  pollux-modbus "), "{command}");
    }
}
