@echo off
rem datapath.exchange: this opens ports of um1. Run it there as an administrator. um1-undo.cmd takes it back.
rem Windows Server 2003, roles unified_messaging, state enforced, scope documented, encryption as_documented, plan 38a4811ae33d.
rem um1-before.txt shows the ports that were open before, um1-domain-off.txt and um1-private-off.txt that a profile was switched off: none of
rem this can be known before. A port that was open already gets the peers of the plan instead of its own. The script ends at the first line that
rem fails, with code 1, and does not run twice. It leaves out:
rem - Windows Server 2003: left out ports 30000-30099/udp: um-fax, um-phone. It opens single ports, not ranges: give the services static ports.
setlocal EnableExtensions DisableDelayedExpansion
set "T=%SystemRoot%\System32"
set "F=HKLM\SYSTEM\CurrentControlSet\Services\SharedAccess\Parameters\FirewallPolicy"
set "FAILED="
"%T%\reg.exe" query HKU\S-1-5-19 >nul 2>&1 || (echo Run this as an administrator.& exit /b 2)
if exist "%~dp0um1-before.txt" (echo um1.cmd has run already. Run um1-undo.cmd first.& exit /b 3)
>"%~dp0um1-before.txt" "%T%\netsh.exe" firewall show portopening || (echo DATAPATH-FAILED 1& exit /b 1)
"%T%\reg.exe" query "%F%\DomainProfile" /v EnableFirewall | "%T%\findstr.exe" /l /c:"0x1" >nul
if errorlevel 1 >"%~dp0um1-domain-off.txt" echo off
"%T%\reg.exe" query "%F%\StandardProfile" /v EnableFirewall | "%T%\findstr.exe" /l /c:"0x1" >nul
if errorlevel 1 >"%~dp0um1-private-off.txt" echo off
"%T%\netsh.exe" firewall add portopening protocol=TCP port=5985 name="datapath.exchange management" mode=ENABLE scope=CUSTOM addresses=192.0.2.250 profile=ALL || (echo DATAPATH-FAILED 2& exit /b 1)
"%T%\netsh.exe" firewall add portopening protocol=TCP port=5986 name="datapath.exchange management" mode=ENABLE scope=CUSTOM addresses=192.0.2.250 profile=ALL || (echo DATAPATH-FAILED 3& exit /b 1)
"%T%\netsh.exe" firewall add portopening protocol=TCP port=5060 name="datapath.exchange cas-to-um-sip" mode=ENABLE scope=CUSTOM addresses=192.0.2.31,198.51.100.129 profile=ALL || (echo DATAPATH-FAILED 4& exit /b 1)
"%T%\netsh.exe" firewall add portopening protocol=TCP port=5061 name="datapath.exchange cas-to-um-sip" mode=ENABLE scope=CUSTOM addresses=192.0.2.31 profile=ALL || (echo DATAPATH-FAILED 5& exit /b 1)
"%T%\netsh.exe" firewall add portopening protocol=TCP port=5062 name="datapath.exchange cas-to-um-sip" mode=ENABLE scope=CUSTOM addresses=192.0.2.31,198.51.100.129 profile=ALL || (echo DATAPATH-FAILED 6& exit /b 1)
"%T%\netsh.exe" firewall add portopening protocol=TCP port=5065 name="datapath.exchange cas-to-um-sip" mode=ENABLE scope=CUSTOM addresses=192.0.2.31,198.51.100.129 profile=ALL || (echo DATAPATH-FAILED 7& exit /b 1)
"%T%\netsh.exe" firewall add portopening protocol=TCP port=5066 name="datapath.exchange cas-to-um-sip" mode=ENABLE scope=CUSTOM addresses=192.0.2.31 profile=ALL || (echo DATAPATH-FAILED 8& exit /b 1)
"%T%\netsh.exe" firewall add portopening protocol=TCP port=5067 name="datapath.exchange cas-to-um-sip" mode=ENABLE scope=CUSTOM addresses=192.0.2.31,198.51.100.129 profile=ALL || (echo DATAPATH-FAILED 9& exit /b 1)
"%T%\netsh.exe" firewall add portopening protocol=TCP port=5068 name="datapath.exchange cas-to-um-sip" mode=ENABLE scope=CUSTOM addresses=192.0.2.31 profile=ALL || (echo DATAPATH-FAILED 10& exit /b 1)
"%T%\netsh.exe" firewall add portopening protocol=TCP port=3389 name="datapath.exchange remote-desktop" mode=ENABLE scope=CUSTOM addresses=192.0.2.250 profile=ALL || (echo DATAPATH-FAILED 11& exit /b 1)
"%T%\netsh.exe" firewall set opmode mode=ENABLE exceptions=ENABLE profile=ALL || (echo DATAPATH-FAILED 12& exit /b 1)
echo DATAPATH-DONE
exit /b 0
