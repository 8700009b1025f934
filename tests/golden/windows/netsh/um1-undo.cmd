@echo off
rem datapath.exchange: this takes back what um1.cmd made on um1. Run it there as an administrator.
rem Windows Server 2003, roles unified_messaging, state enforced, scope documented, encryption as_documented, plan 38a4811ae33d.
rem It switches off the profiles that um1.cmd found off, then closes the ports of um1.cmd. Ports that were open before have to be opened again
rem by hand, as um1-before.txt shows them.
setlocal EnableExtensions DisableDelayedExpansion
set "T=%SystemRoot%\System32"
set "F=HKLM\SYSTEM\CurrentControlSet\Services\SharedAccess\Parameters\FirewallPolicy"
set "FAILED="
"%T%\reg.exe" query HKU\S-1-5-19 >nul 2>&1 || (echo Run this as an administrator.& exit /b 2)
if not exist "%~dp0um1-before.txt" (echo um1.cmd has not run here. Nothing was changed.& exit /b 3)
if not exist "%~dp0um1-domain-off.txt" goto domain
"%T%\netsh.exe" firewall set opmode mode=DISABLE profile=DOMAIN || (echo DATAPATH-FAILED 1& set "FAILED=1")
:domain
if not exist "%~dp0um1-private-off.txt" goto private
"%T%\netsh.exe" firewall set opmode mode=DISABLE profile=STANDARD || (echo DATAPATH-FAILED 2& set "FAILED=1")
:private
"%T%\netsh.exe" firewall delete portopening protocol=TCP port=3389 profile=ALL || (echo DATAPATH-FAILED 3& set "FAILED=1")
"%T%\netsh.exe" firewall delete portopening protocol=TCP port=5068 profile=ALL || (echo DATAPATH-FAILED 4& set "FAILED=1")
"%T%\netsh.exe" firewall delete portopening protocol=TCP port=5067 profile=ALL || (echo DATAPATH-FAILED 5& set "FAILED=1")
"%T%\netsh.exe" firewall delete portopening protocol=TCP port=5066 profile=ALL || (echo DATAPATH-FAILED 6& set "FAILED=1")
"%T%\netsh.exe" firewall delete portopening protocol=TCP port=5065 profile=ALL || (echo DATAPATH-FAILED 7& set "FAILED=1")
"%T%\netsh.exe" firewall delete portopening protocol=TCP port=5062 profile=ALL || (echo DATAPATH-FAILED 8& set "FAILED=1")
"%T%\netsh.exe" firewall delete portopening protocol=TCP port=5061 profile=ALL || (echo DATAPATH-FAILED 9& set "FAILED=1")
"%T%\netsh.exe" firewall delete portopening protocol=TCP port=5060 profile=ALL || (echo DATAPATH-FAILED 10& set "FAILED=1")
"%T%\netsh.exe" firewall delete portopening protocol=TCP port=5986 profile=ALL || (echo DATAPATH-FAILED 11& set "FAILED=1")
"%T%\netsh.exe" firewall delete portopening protocol=TCP port=5985 profile=ALL || (echo DATAPATH-FAILED 12& set "FAILED=1")
if defined FAILED exit /b 1
del /q "%~dp0um1-before.txt" "%~dp0um1-domain-off.txt" "%~dp0um1-private-off.txt" >nul 2>&1
echo DATAPATH-DONE
exit /b 0
