#![allow(clippy::unwrap_in_result, reason = "a test")]
use super::*;
use pollux_crds::offline::{load, yaml};

const HEADER: &str = "Tag Name,Address,Data Type,Respect Data Type,Client Access,Scan Rate,Scaling,Raw Low,Raw High,Scaled Low,\
    Scaled High,Scaled Data Type,Clamp Low,Clamp High,Eng Units,Description,Negate Value\n";

/// The model of a list, judged as the API server would; or all that is wrong with it.
fn imported(import: Import, text: &str) -> Result<String, Vec<String>> {
    let (tags, findings) = import.tags(text);
    let lines =
        |list: Vec<(u64, String)>| list.into_iter().map(|(line, text)| format!("{line}: {text}")).collect::<Vec<_>>();
    if !findings.errors.is_empty() {
        return Err(lines(findings.errors));
    }
    let document = document("line-7", Path::new("tags.csv"), &tags);
    let object = yaml::read(&document).unwrap().remove(0).value;
    load(&object).unwrap_or_else(|errors| panic!("{errors:?}\n{document}"));
    let notes: Vec<String> = lines(findings.notes).iter().map(|note| format!("# {note}\n")).collect();
    Ok(document + &notes.concat())
}
fn kepware(rows: &str) -> Result<String, Vec<String>> {
    imported(Import::default(), &format!("{HEADER}{rows}"))
}
fn plain(text: &str) -> Result<String, Vec<String>> {
    imported(Import::default(), text)
}

#[test]
fn everything_that_is_wrong_is_said_with_its_line() {
    let rows = "a,D100,Word,1,RO,100,,,,,,,,,,,\n\
        b,400001,Boolean,1,RO,100,,,,,,,,,,,\n\
        \"c\nd\",400002,Word,1,RO,100,Square Root,0,1,0,1,Float,0,0,,,\n\
        e,400003,Byte,1,RO,x,,,,,,,,,,,\n\
        f-1,400004,Word,1,RO,100,,,,,,,,,,,\n\
        f_1,400005,Word,1,RO,100,,,,,,,,,,,\n\
        g,400006,Word,1,RO,100,,,,,,,,,,,\n\
        g,400006,Word,1,RO,100,,,,,,,,,,,\n\
        h,400007.16,Boolean,1,RO,100,,,,,,,,,,,\n\
        i,400007.2,Boolean,1,RO,100,Linear,0,1,0,5,Float,0,0,,,\n\
        j,300001,Word,1,WO,100,,,,,,,,,,,\n\
        k,465536,Float,1,RO,100,,,,,,,,,,,\n\
        l,400008,Word,1,RO,100,Linear,5,5,0,5,Float,0,0,,,\n";
    let errors = kepware(rows).unwrap_err();
    let expected = [
        "2: column Address: \"D100\" is no Modbus address",
        "3: column Data Type: Boolean needs a bit",
        "4: column Scaling: Square Root",
        "6: column Data Type: \"byte\"",
        "8: f_1 (of f-1 and f_1) stands in lines 7 and 8",
        "10: g stands in lines 9 and 10",
        "11: column Address: bit 16: this list counts bits from 1",
        "12: only a single number can be scaled",
        "13: write only, in a table that cannot be written",
        "14: binding of k:",
        "15: Raw Low must be below Raw High",
    ];
    assert_eq!(errors.len(), expected.len(), "{errors:#?}");
    for (error, expected) in errors.iter().zip(expected) {
        assert!(error.starts_with(expected), "{error} / {expected}");
    }
}

#[test]
fn what_a_device_of_kepware_was_set_to_is_an_option() {
    let rows = "a,400001,Float,,,,,,,,,,,,,,\nb,400003.1,Boolean,,,,,,,,,,,,,,\nc,400004,Word,,,,,,,,,,,,,,\n";
    let model = |order, first_bit| {
        imported(Import { order: Some(order), first_bit, ..Import::default() }, &format!("{HEADER}{rows}")).unwrap()
    };
    let big = model(ByteOrder::Abcd, 1);
    assert!(
        big.contains("{table: holding, address: 0, dataType: float32}") && big.contains("address: 2, bit: 0}"),
        "{big}"
    );
    let little = model(ByteOrder::Dcba, 1);
    assert!(little.contains("float32, byteOrder: DCBA}") && little.contains("uint16, byteOrder: BADC}"), "{little}");
}

#[test]
fn a_list_from_a_spreadsheet_is_read_whatever_it_made_of_it() {
    let text = "; exported\n\nTag Name;Address;Data Type;Eng. Units;Colour\nT;400001;Short;\u{b0}C;red\n";
    let bytes: Vec<u8> = text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect(); // Windows-1252
    let (text, note) = rows::text(bytes, None).unwrap();
    assert!(note.is_some_and(|note| note.contains("ISO 8859-1")));
    let model = plain(&text).unwrap();
    assert!(
        model.contains("unit: °C") && model.contains("# 0: column \"Colour\" is not known and is left out"),
        "{model}"
    );
    let marked = rows::text([b"\xEF\xBB\xBF", HEADER.as_bytes(), b"a,41,,,,,,,,,,,,,,,\n"].concat(), None).unwrap();
    assert!(marked.1.is_none() && plain(&marked.0).is_ok());
    assert_eq!(plain("; a\nname;register;type\na;1;uint16\n").unwrap_err().len(), 1);
    assert!(kepware("a,300001,Word,1,R/W,100,,,,,,,,,,,\n").unwrap().contains("# 0: 1 tags that say R/W"));
}

#[test]
fn a_list_of_a_chinese_spreadsheet_is_gbk() {
    let text = "name,register,type,unit,description\nT1,40001,int16,\u{2103},\u{9505}\u{7089}\u{6e29}\u{5ea6}\n";
    let bytes = encoding_rs::GBK.encode(text).0.into_owned();
    let (read, note) = rows::text(bytes.clone(), None).unwrap();
    assert_eq!(read, text);
    assert!(note.is_some_and(|note| note.contains("GBK")), "{note:?}");
    assert_eq!(rows::text(bytes.clone(), Some(rows::Encoding::Gbk)), Ok((text.to_owned(), None)));
    assert!(rows::text(bytes, Some(rows::Encoding::Utf8)).is_err());
    assert!(rows::text(vec![b'a', 0xFF], Some(rows::Encoding::Gbk)).is_err());
}

#[test]
fn the_plain_layout_has_a_column_for_each_field_of_a_binding() {
    let text = "name,register,type,byteOrder,bit,bits,length,encoding,trim,alone,scaleExponentFrom,readGroup,invalid\n\
        alarm,40010,,BADC,0,,,,,,,,\n\
        state,40011,,,4,3,,,,yes,,,\n\
        plate,40020,string,,,,8,GBK,both,,,,\n\
        W,40030,int16,,,,,,,,W-SF,power,-32768 32767\n\
        W-SF,40031,int16,,,,,,,,,power,-32768\n";
    let model = plain(text).unwrap();
    for part in [
        "name: alarm\n    type: boolean\n    binding: {modbus: {table: holding, address: 9, byteOrder: BADC, bit: 0}}",
        "name: state\n    type: integer\n    binding: {modbus: {table: holding, address: 10, bit: 4, alone: true, bits: 3}}",
        "dataType: string, length: 8, encoding: gbk, trim: Both}",
        "scaleExponentFrom: W_SF\n",
        "readGroup: power\n",
        "invalid: [-32768, 32767]\n",
    ] {
        assert!(model.contains(part), "{part}\n{model}");
    }
    for (row, error) in [
        ("a,00010,,BADC,,,,,,,,,", "2: column byteOrder: a coil or discrete input has none"),
        ("a,40010,int16,,,,,,,,b,,", "2: column scaleExponentFrom: no tag \"b\" is in this list"),
        ("a,40010,int16,,,,,,,maybe,,,", "2: column alone: \"maybe\" must be true or false"),
        ("a,40010,string,,,,4,ebcdic,,,,,", "2: column encoding: \"ebcdic\" is no encoding"),
    ] {
        let header = text.lines().next().unwrap();
        let errors = plain(&format!("{header}\n{row}\n")).unwrap_err();
        assert!(errors.len() == 1 && errors[0].starts_with(error), "{errors:?}");
    }
}

#[test]
fn names_of_values_are_a_column() {
    let header = "name,register,type,bit,scale,enum\n";
    let model = plain(&format!(
        "{header}mode,40001,uint16,,,0:Off; 1 : Auto |2=\"by hand\"\nrun,00001,,,,\"0:off;1:on\"\nalarm,40002,,3,,\"0:-;1:Alarm, main\"\n"
    ))
    .unwrap();
    for part in [
        "name: mode\n    type: string\n    enum: [{value: 0, name: \"Off\"}, {value: 1, name: Auto}, {value: 2, name: \"\\\"by hand\\\"\"}]\n",
        "name: run\n    type: string\n    enum: [{value: 0, name: \"off\"}, {value: 1, name: \"on\"}]\n",
        "enum: [{value: 0, name: \"-\"}, {value: 1, name: \"Alarm, main\"}]\n    binding: {modbus: {table: holding, address: 1, bit: 3}}",
    ] {
        assert!(model.contains(part), "{part}\n{model}");
    }
    for (cell, error) in [
        ("Off", "column enum: \"Off\" must be a whole number, a colon and a name"),
        ("0.5:Off", "column enum: \"0.5:Off\" must be a whole number"),
        ("0:", "column enum: the name of 0 must have 1 to 63 characters"),
        ("0:A;0:B", "column enum: \"0:B\": its value or its name stands there twice"),
        ("0:A;1:A", "column enum: \"1:A\": its value or its name stands there twice"),
    ] {
        let errors = plain(&format!("{header}mode,40001,uint16,,,{cell}\n")).unwrap_err();
        assert!(errors.len() == 1 && errors[0].starts_with(&format!("2: {error}")), "{errors:?}");
    }
    for row in ["T,40001,float32,,,0:A", "T,40001,uint16,,0.1,0:A"] {
        let errors = plain(&format!("{header}{row}\n")).unwrap_err();
        assert!(errors[0].starts_with("2: names of values go with whole numbers"), "{errors:?}");
    }
}

#[test]
fn the_plain_layout_names_its_columns() {
    let text = "type,name,register,unit,scale,access,byteOrder,interval,bit,length,description\n\
        float32,supply,40001,°C,,rw,CDAB,1s,,,\n\
        int16,outside,30001,°C,0.1,,,1s,,,\n\
        bool,pump,00001,,,RW,,1s,,,\n\
        ,alarm,40010,,,,,1s,3,,\n\
        string,serial,40020,,,,,10s,,8,name plate\n\
        uint64,total,40030,,,,GHEFCDAB,1s,,,\n";
    let expected = "apiVersion: pollux.rs/v1alpha1
kind: DeviceModel
metadata:
  name: line-7
spec:
  description: Imported from tags.csv
  defaults: {interval: 1s}
  properties:
  - name: supply
    type: number
    access: ReadWrite
    unit: °C
    binding: {modbus: {table: holding, address: 0, dataType: float32, byteOrder: CDAB}}
  - name: outside
    type: number
    unit: °C
    scale: 0.1
    binding: {modbus: {table: input, address: 0, dataType: int16}}
  - name: pump
    type: boolean
    access: ReadWrite
    binding: {modbus: {table: coil, address: 0}}
  - name: alarm
    type: boolean
    binding: {modbus: {table: holding, address: 9, bit: 3}}
  - name: serial
    type: string
    description: name plate
    interval: 10s
    binding: {modbus: {table: holding, address: 19, dataType: string, length: 8}}
  - name: total
    type: integer
    binding: {modbus: {table: holding, address: 29, dataType: uint64, byteOrder: CDAB}}
";
    assert_eq!(plain(text).as_deref(), Ok(expected));
    let table = plain("name\ttable\taddress\ttype\nx\tinput\t7\tdouble\n").unwrap();
    assert!(table.contains("binding: {modbus: {table: input, address: 7, dataType: float64}}"), "{table}");
}

#[test]
fn a_plain_list_that_cannot_be_read_says_what_it_needs() {
    for (text, error) in [
        ("", "0: no header row in it"),
        ("name,register,type\n", "0: no tags in it"),
        ("tag,register\na,40001\n", "0: there is no column name; there are: tag, register"),
        ("name,type\na,int16\n", "0: there must be a column register, or columns table and address"),
        ("name,Name,register\n", "1: two columns have one name: name, Name"),
        ("name,register,type\na,40001,int17\n", "2: column type: \"int17\" is no data type"),
        ("name,register,table,address\na,40001,holding,0\n", "2: give a register, or a table and an address"),
        ("name,register,type\na,40001,int16,x\n", "2: 4 cells under 3 columns"),
        ("name,register,type,scale\na,40001,int16,x\n", "2: column scale: \"x\" is not a number"),
        ("name,register,type,scale\na,40001,int16,0\n", "2: its scale would be 0"),
        ("name,register,type\na,40001,\n", "2: binding of a:"),
        ("name,register,type\na,00001,int16\n", "2: binding of a:"),
        ("name,register,type\n温度,40001,int16\n", "2: \"温度\" has no letter"),
    ] {
        let errors = plain(text).unwrap_err();
        assert!(errors.len() == 1 && errors[0].starts_with(error), "{text:?}: {errors:?}");
    }
    let many = (0..1001).map(|n| format!("t{n},40001,int16\n")).collect::<Vec<_>>().concat();
    assert!(plain(&format!("name,register,type\n{many}")).unwrap_err()[0].contains("at most 1000"));
}
