@echo off
rem datapath.exchange: this takes back what edge1.cmd made on edge1. Run it there as an administrator.
rem Windows Server 2025, roles edge_transport, state enforced, scope documented, encryption as_documented, plan 38a4811ae33d.
rem It imports edge1-before.wfw, the whole policy of the firewall as it was: what others changed since then goes with it. Rules of edge1.cmd
rem that are still there after that are deleted by name. Without that file it does nothing, unless it is run as edge1-undo.cmd rules: then it
rem deletes the rules by name and leaves the profiles as they are, so that a profile that blocks will block without them.
setlocal EnableExtensions DisableDelayedExpansion
set "T=%SystemRoot%\System32"
set "F=HKLM\SYSTEM\CurrentControlSet\Services\SharedAccess\Parameters\FirewallPolicy"
set "FAILED="
"%T%\reg.exe" query HKU\S-1-5-19 >nul 2>&1 || (echo Run this as an administrator.& exit /b 2)
if "%~1"=="rules" goto rules
if not exist "%~dp0edge1-before.wfw" (echo edge1-before.wfw is not here. Nothing was changed.& exit /b 3)
"%T%\netsh.exe" advfirewall import "%~dp0edge1-before.wfw" || (echo DATAPATH-FAILED 1& exit /b 1)
:rules
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange out edge-time d11e97da" >nul 2>&1
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange out edge-to-edge-smtp 93c40f35" >nul 2>&1
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange out edge-to-edge-smtp b9f6a9fd" >nul 2>&1
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange out edge-to-edge-smtp 832ebb27" >nul 2>&1
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange out edge-to-hub-smtp a3d6693b" >nul 2>&1
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange in remote-desktop adc02d37" >nul 2>&1
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange in edgesync-ldaps 2777678a" >nul 2>&1
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange in edge-to-edge-smtp ab78d630" >nul 2>&1
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange in hub-to-edge-smtp e0959188" >nul 2>&1
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange in management 50aecdfd" >nul 2>&1
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange out edge-time d11e97da|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 2& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange out edge-to-edge-smtp 93c40f35|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 3& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange out edge-to-edge-smtp b9f6a9fd|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 4& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange out edge-to-edge-smtp 832ebb27|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 5& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange out edge-to-hub-smtp a3d6693b|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 6& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange in remote-desktop adc02d37|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 7& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange in edgesync-ldaps 2777678a|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 8& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange in edge-to-edge-smtp ab78d630|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 9& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange in hub-to-edge-smtp e0959188|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 10& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange in management 50aecdfd|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 11& set "FAILED=1")
if defined FAILED exit /b 1
del /q "%~dp0edge1-before.wfw" >nul 2>&1
echo DATAPATH-DONE
exit /b 0
