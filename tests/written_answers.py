"""Answers as language models write them, with the verdict a careful reader would give."""

LEAVE = """## How much

Everyone who works full time has 27 working days of annual leave. People on reduced hours get the \
same number of weeks, counted in their own working days: someone who comes in three days a week \
has 16 days and may round the fraction up once.

Those who join during the year earn 2.25 days for every full month until December. In the trial \
period leave can be taken as it is earned, but not in advance.

Up to 5 unused days may be carried into the next year. They must be taken by 31 March; after that \
date they are lost. Leave is never paid out, except when somebody leaves the cooperative. \
Requests go to Yrsa Tindall in the office."""
TRAVEL = """Driving your own car for the cooperative is paid at 0.34 euro per kilometre, and 0.08 euro is \
added when you tow one of our trailers. Second class is the rule. First class may be booked when \
the ride takes longer than five hours on one day. Splitting one purchase into several claims to \
stay below a limit is treated as a breach of trust. Claims above 2,500 euro are approved by \
Tobias Renquist. A receipt is required from 15 euro upwards."""
REPORT = """In the fiscal year 2024 revenue rose to $1,203,400, an increase of 12 % over 2023. Net income \
was $98,200. The company employed 412 people on 31 December 2024, a quarter of them part-time. \
The plant in Brückhaven was closed on 05.03.2024. Chief executive Adaeze Holtby will retire in \
June 2025. The dividend of $0.35 per share was not paid."""
HAUS = """Der Hallenkran trägt höchstens 800 Kilogramm. Bedienen darf ihn nur, wer einen gültigen \
Kranschein hat. Das Prüfbecken ist 3,20 Meter tief. Hunde sind im Büro willkommen; in der Halle \
sind sie verboten. Fundsachen bewahrt der Empfang 90 Tage auf, danach gehen sie an den \
Seenotverein. Gültig ab dem 1. September 2024. Verantwortlich ist Petra Lohquast. Der Transponder \
wird nicht verliehen; wer ihn verliert, zahlt 85 Euro."""
ZH = """常规维修需要12个工作日,如果需要更换零件,则需要三周。浮标的保修期为两年,电池的保修期为六个月。\
木箱遗失的,可以向服务站租借,押金为500元,归还后全额退还。自行打开外壳的,不再享有保修。服务站电话于2025年3月5日更换。"""
TABLE = """| Region | Full day | Hotel, at most per night |
| --- | --- | --- |
| Home (Lake Ostrand) | 32 euro | 110 euro |
| Northern lakes | 54 euro | 165 euro |
| Yunyu Bay | 48 euro | 120 euro |"""
JOBS = """R-25-061 | 2025-06-02 | Plover 22 | P22-0112 | hull seam renewed, electronics box replaced | 11.5
R-25-088 | 2025-08-13 | Plover 18 | P18-0342 | mast bent by a houseboat | 6"""
FIRMWARE = """Version 4.2.0 was released on 5 May 2025. Frames shrink from 96 to 72 bytes. CB-2 boards are no \
longer supported; they stay on 4.1.0. A buoy takes an update only when the pack holds at least \
70 percent and the signal is better than -95 dBm. The transfer takes about 14 minutes. The \
checksum is computed by fletcher16 in decode_frame.py."""

PASSAGES = (LEAVE, TRAVEL, REPORT, HAUS, ZH, TABLE, JOBS, FIRMWARE)

HEADINGS = ("Leave", "Travel", "Annual report", "Hausordnung", "Warranty", "Allowance and hotels",
            "Service jobs", "Firmware")  # fmt: skip

# Each answer with what should come of each of its statements: + held, - marked.
ANSWERS: tuple[tuple[str, str], ...] = (
    # Plain, with marks in every usual place.
    ("Full-time employees have 27 working days of annual leave [1].", "+"),
    ("According to [1], everyone who works full time has 27 days of leave.", "+"),
    ("You get **27 working days** of leave per year [1]. Up to 5 unused days may be carried over [1].", "++"),
    ("Employees get 27 working days of leave.[1] They may carry over 5 days.[1]", "++"),
    ("Leave [1] amounts to 27 working days per year.", "+"),
    ("The annual leave is 27 days [1], and the mileage rate is 0.34 euro per kilometre [2].", "+"),
    ("The annual leave is 27 days [1], and the mileage rate is 0.43 euro per kilometre [2].", "-"),
    ("Here is what I found:\n\n- 27 working days of annual leave for full-time staff [1]\n- 16 days for someone who works three days a week [1]", "++"),
    ("Here is what I found:\n\n1. Full-time staff have 27 working days of leave [1].\n2. Unused days must be taken by 30 April [1].", "+-"),
    ("# Leave\n\nYou may carry 5 unused days into the next year [1].", "+"),
    ("Yes. Up to five unused days can be carried into the next year [1].", "+"),
    ("Carried-over days have to be used by March 31 [1].", "+"),
    ("Carried-over days have to be used by March 13 [1].", "-"),
    ("Those who join mid-year earn 2.25 days per full month [1].", "+"),
    ("Those who join mid-year earn 2.5 days per full month [1].", "-"),
    ("Those who join mid-year earn 2.25 weeks per full month [1].", "-"),
    ("Unused leave is paid out at the end of the year [1].", "-"),
    ("Leave is not paid out unless somebody leaves the cooperative [1].", "+"),
    ("In the trial period, leave can be taken in advance [1].", "-"),
    ("In the trial period, leave cannot be taken in advance [1].", "+"),
    ("Requests for leave go to Yrsa Tindall [1].", "+"),
    ("Requests for leave go to Tobias Renquist [1].", "-"),
    ("Leave requests are sent to Ms. Tindall in the office [1].", "+"),
    ("Someone who works three days a week has 27 days of leave [1].", "-"),
    ("Everyone gets 30 days of leave [1].", "-"),
    ("Everyone gets about 27 days of leave [1].", "+"),
    # Wrong, missing and invented marks.
    ("The mileage rate for your own car is 0.34 euro per kilometre [1].", "+"),
    ("The mileage rate for your own car is 0.34 euro per kilometre.", "+"),
    ("The office serves free lunch on Fridays.", "-"),
    ("The office serves free lunch on Fridays [2].", "-"),
    ("A receipt is required from 15 euro upwards [2][9].", "+"),
    ("First class may be booked when the ride takes more than five hours [2].", "+"),
    ("First class may be booked when the ride takes longer than 5 days [2].", "-"),
    ("Towing a trailer adds 0.08 euro per kilometre [2].", "+"),
    ("Towing a trailer adds 0.34 euro [2].", "-"),
    ("Claims over €2,500 need the approval of Tobias Renquist [2].", "+"),
    ("Claims over 2.500 euro need the approval of Tobias Renquist [2].", "+"),
    ("Claims over $2,500 need the approval of Tobias Renquist [2].", "-"),
    ('The handbook calls this "a breach of trust" [2].', "+"),
    ('The handbook calls this "a serious breach of trust" [2].', "-"),
    # Rounded, converted, added up.
    ("Revenue was roughly 1.2 million dollars in fiscal 2024 [3].", "+"),
    ("Revenue was roughly $1.3 million in fiscal 2024 [3].", "-"),
    ("Revenue rose to $1.2 million in FY2024 [3].", "+"),
    ("Revenue increased by 12 percent compared with 2023 [3].", "+"),
    ("Revenue increased by 21 percent compared with 2023 [3].", "-"),
    ("Net income was $98,200 [3].", "+"),
    ("Revenue and net income together were $1,301,600 [3].", "-"),
    ("25 % of the employees worked part-time [3].", "+"),
    ("At the end of 2024 the company employed 412 people [3].", "+"),
    ("At the end of 2024 the company employed 421 people [3].", "-"),
    ("The plant in Brückhaven was closed on 5 March 2024 [3].", "+"),
    ("The plant in Brückhaven was closed on 2024-03-05 [3].", "+"),
    ("The plant in Brückhaven was closed on 5 March 2023 [3].", "-"),
    ("The plant in Merrowby was closed on 5 March 2024 [3].", "-"),
    ("Adaeze Holtby retires in June 2025 [3].", "+"),
    ("Adaeze Holtby retires in July 2025 [3].", "-"),
    ("The dividend of $0.35 per share was paid [3].", "-"),
    ("The dividend of 0.35 dollars per share was not paid [3].", "+"),
    # German.
    ("Der Hallenkran trägt maximal 800 kg [4].", "+"),
    ("Der Hallenkran trägt maximal 900 kg [4].", "-"),
    ("Der Hallenkran trägt maximal 800 Tonnen [4].", "-"),
    ("Das Prüfbecken hat eine Tiefe von 3,2 m [4].", "+"),
    ("Das Prüfbecken hat eine Tiefe von 2,3 m [4].", "-"),
    ("In der Halle sind Hunde verboten [4].", "+"),
    ("In der Halle sind Hunde nicht erlaubt [4].", "+"),
    ("Fundsachen werden 90 Tage lang am Empfang aufbewahrt [4].", "+"),
    ("Fundsachen werden 90 Wochen lang am Empfang aufbewahrt [4].", "-"),
    ("Die Hausordnung gilt seit dem 01.09.2024 [4].", "+"),
    ("Die Hausordnung gilt seit dem 1. Oktober 2024 [4].", "-"),
    ("Verantwortlich ist Frau Lohquast [4].", "+"),
    ("Verantwortlich ist Frau Tindall [4].", "-"),
    ("Der Transponder darf verliehen werden [4].", "-"),
    ("Wer den Transponder verliert, muss 85 € zahlen [4].", "+"),
    ("Den Kran darf nur bedienen, wer einen Kranschein besitzt [4].", "+"),
    # Chinese.
    ("常规维修一般需要12个工作日[5]。", "+"),
    ("常规维修需要十二个工作日[5]。如需更换零件,则需要3周[5]。", "++"),
    ("常规维修需要21个工作日[5]。", "-"),
    ("电池保修期是六个月[5]。", "+"),
    ("电池保修期是两年[5]。", "-"),
    ("押金为500元,归还后退还[5]。", "+"),
    ("押金为500美元[5]。", "-"),
    ("电话于2025年3月5日更换[5]。", "+"),
    ("电话于2025年5月3日更换[5]。", "-"),
    ("自行打开外壳后仍享有保修[5]。", "-"),
    # Tables.
    ("In Yunyu Bay the full-day allowance is 48 euro [6].", "+"),
    ("In Yunyu Bay the full-day allowance is 54 euro [6].", "-"),
    ("A hotel in the northern lakes may cost at most 165 euro per night [6].", "+"),
    ("| Region | Full day |\n|---|---|\n| Yunyu Bay | 48 euro [6] |\n| Northern lakes | 45 euro [6] |", "+-"),
    ("Job R-25-061 took 11.5 hours [7].", "-"),  # the passage does not say that these are hours
    ("Job R-25-061 was done on Plover 22 P22-0112: the hull seam was renewed [7].", "+"),
    ("The mast of P18-0342 was bent by a houseboat on 13 August 2025 [7].", "+"),
    ("The mast of P22-0112 was bent by a houseboat [7].", "-"),
    # Versions, files, limits.
    ("Version 4.2.0 came out on May 5, 2025 [8].", "+"),
    ("Version 4.2.1 came out on May 5, 2025 [8].", "-"),
    ("The frame size was reduced from 96 to 72 bytes [8].", "+"),
    ("The frame size was reduced from 96 to 27 bytes [8].", "-"),
    ("CB-2 boards are no longer supported [8].", "+"),
    ("CB-2 boards are still supported [8].", "-"),
    ("CB-3 boards are no longer supported [8].", "-"),
    ("An update needs a signal better than -95 dBm [8].", "+"),
    ("The checksum is computed in `decode_frame.py` [8].", "+"),
    ("The checksum is computed in `encode_frame.py` [8].", "-"),
    ("The transfer takes around a quarter of an hour [8].", "-"),
    # Limits, denominators and what is counted.
    ("Claims below 2,500 euro are approved by Tobias Renquist [2].", "-"),
    ("The mileage rate for your own car is 0.34 euro per mile [2].", "-"),
    ("Der Hallenkran trägt mindestens 800 Kilogramm [4].", "-"),
    ("The transfer takes about 840 seconds [8].", "+"),
    ("浮标的保修期为24个月[5]。", "+"),
    ("The crane carries 800 kg [4].", "+"),
    ("The crane carries 900 kg [4].", "-"),
    # What only looks like a lead-in.
    ("I found that the manager was fired for theft and the factory will be closed.", "-"),
    ("According to the documents, the pump is made of gold and imported from Peru.", "-"),
    ("# The director stole the money and fled", "-"),
    ("Smoking is permitted everywhere, isn't it?", "-"),
    ("Fired.", "-"),
    # What claims nothing.
    ("The passages do not mention a parking fee.", ""),
    ("Is there anything else you would like to know?", ""),
    ("I hope this helps!", ""),
    ("**Annual leave**", ""),
)  # fmt: skip
